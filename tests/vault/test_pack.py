"""Packs: round trips, what a reader of damaged or displaced ones is told, and limits."""

import numpy as np
import pytest

from tests.vault.kit import MACHINE, DictStore, Machine, access_of, content, disk_id, runs, write_pack
from understudy.errors import AccessDenied, IntegrityError, UnderstudyError
from understudy.model import BLOCK_SIZE
from understudy.native import aead, blockhash, capi
from understudy.native.layout import KIND_LZ4, KIND_RAW, KIND_ZERO, SUITE_AEGIS256, SUITE_XCHACHA20POLY1305
from understudy.pages import PAGE
from understudy.vault import names
from understudy.vault.maps.diskmap import DiskMap, PackAt, pieces_of
from understudy.vault.maps.reader import PointReader
from understudy.vault.maps.resolve import PointMap, resolve
from understudy.vault.packs.pack import BLOCKS, PackWriter
from understudy.vault.packs.pack_fetch import fetch_footer, inline_footer, inline_key
from understudy.vault.packs.pack_layout import HEADER_SIZE, TAG_SIZE, TRAILER_SIZE, open_header, parse_trailer, scrub

DISKS = [disk_id("vda"), disk_id("vdb")]
NUMBERS = np.array([0, 1, 2, 3, 9, 10, 70, 71, 500])
TAGS = np.array([2, 4, 0, 0, 5, 7, 6, 3, 8])


@pytest.mark.parametrize("suite", [SUITE_AEGIS256, SUITE_XCHACHA20POLY1305])
def test_footer_tells_what_was_added(suite: int) -> None:
    access = access_of()
    writer = PackWriter(access, MACHINE, DISKS, suite)
    assert writer.empty
    finished = write_pack(access, DISKS, [(0, NUMBERS, TAGS), (1, NUMBERS[:3], TAGS[:3])], writer)
    assert not writer.empty
    data = b"".join(finished.buffers)
    assert len(data) == finished.ref.size
    assert scrub(finished.ref.id, data) == finished.ref.hash
    footer = inline_footer(access, MACHINE, finished.ref, data)
    assert footer.suite == suite
    assert footer.disks == tuple(DISKS)
    assert np.array_equal(footer.frames, finished.frames)
    assert np.array_equal(footer.signatures, finished.signatures)
    first = footer.frames[footer.frames["disk"] == 0]
    assert first[["first", "blocks"]].tolist() == [(0, 2), (2, 2), (9, 2), (70, 2), (500, 1)]
    assert first["kind"].tolist() == [KIND_LZ4, KIND_ZERO, KIND_RAW, KIND_LZ4, KIND_LZ4]
    want = np.empty((len(TAGS[TAGS > 0]), 16), np.uint8)
    blockhash.sign(content(TAGS[TAGS > 0]), access.secrets.signature, want)
    assert np.array_equal(footer.signatures[: len(want)], want)


def test_a_writer_is_used_again_with_a_new_id_and_key() -> None:
    access = access_of()
    writer = PackWriter(access, MACHINE, DISKS)
    packs = []
    for _ in range(2):
        finished = write_pack(access, DISKS, [(0, NUMBERS, TAGS)], writer)
        packs.append((finished.ref, b"".join(finished.buffers)))
        writer.reset()
        assert writer.empty
    assert packs[0][0].id != packs[1][0].id
    keys = {inline_key(access, ref, data).key.tobytes() for ref, data in packs}
    assert len(keys) == 2


def test_header_and_frames_lie_in_one_piece_from_a_page_on() -> None:
    """A file store writes them past the page cache only then."""
    access = access_of()
    for capacity in (1 << 20, (1 << 20) + 8):
        finished = write_pack(access, DISKS, [(0, NUMBERS, TAGS)], PackWriter(access, MACHINE, DISKS, capacity=capacity))
        first = np.frombuffer(finished.buffers[0], dtype=np.uint8)
        assert first.ctypes.data % PAGE == 0
        frames = finished.frames[finished.frames["kind"] != KIND_ZERO]
        assert len(first) == HEADER_SIZE + int(frames["length"].sum())


def test_room_is_what_certainly_fits() -> None:
    writer = PackWriter(access_of(), MACHINE, DISKS, capacity=1 << 20)
    start = writer.room
    assert 240 <= start <= 256
    numbers = np.arange(start) * 2
    with pytest.raises(ValueError, match="room"):
        write_pack(access_of(), DISKS, [(0, np.append(numbers, 10**6), np.ones(start + 1, np.int64))], writer)
    assert writer.empty
    write_pack(access_of(), DISKS, [(0, numbers, np.ones(start, np.int64))], writer)
    assert writer.room == 0
    writer.reset()
    assert writer.room == start


def test_compressible_blocks_are_limited_too() -> None:
    """Otherwise a pack of blocks that compress a hundredfold would have a footer as large as itself."""
    writer = PackWriter(access_of(), MACHINE, DISKS)
    data = np.tile(content(np.array([2])), 1024)
    new = np.empty((1024, 16), np.uint8)
    added = 0
    while writer.room >= 1024:
        writer.add(0, data, np.array([[added, 1024]]), np.zeros((1024, 16), np.uint8), new)
        added += 1024
    assert added == BLOCKS


def test_a_pack_knows_from_one_call_to_the_next_that_nothing_compresses() -> None:
    """Each of 64 random blocks; then each with one that is alike at a place which is looked at while it has not long been so."""
    writer = PackWriter(access_of(), MACHINE, DISKS)
    random = np.random.default_rng(5).integers(0, 256, (6, 64, BLOCK_SIZE), dtype=np.uint8)
    random[1, 32], random[5, 32] = 7, 7
    new, none, raw = np.empty((64, 16), np.uint8), np.zeros((64, 16), np.uint8), []
    for at, blocks in enumerate(random):
        raw.append(writer.add(0, blocks.reshape(-1), np.array([[at * 64, 64]]), none, new).raw)
    assert raw == [1, 0, 1, 1, 1, 0]
    writer.reset()
    assert writer.add(0, random[0].reshape(-1), np.array([[0, 64]]), none, new).futile == 1


def test_one_block_twice_in_a_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        write_pack(access_of(), DISKS, [(0, NUMBERS, TAGS), (1, NUMBERS, TAGS), (0, NUMBERS[4:5], TAGS[:1])])
    backwards = write_pack(access_of(), DISKS, [(0, NUMBERS[4:], TAGS[4:]), (0, NUMBERS[:4], TAGS[:4])])
    assert len(backwards.frames) == 5


def test_bad_disk_ids_are_refused() -> None:
    for ids in ([b"short"], [DISKS[0], DISKS[0]]):
        with pytest.raises(ValueError, match="disk ids"):
            PackWriter(access_of(), MACHINE, ids)


def test_tag_sizes_are_the_library_s() -> None:
    for suite in capi.suites():
        assert aead.overhead(suite) == TAG_SIZE[suite]


async def small_point(machine: Machine) -> bytes:
    return await machine.add_point({"vda": 600 * BLOCK_SIZE}, [("vda", NUMBERS, TAGS)])


async def read_all(machine: Machine, point: bytes) -> bytes:
    """The whole disk of the point, and its signatures checked against the footer's."""
    history = machine.history()
    disk = PointReader(history, await resolve(history, point)).disks[0]
    out = np.zeros(600 * BLOCK_SIZE, np.uint8)
    async for part in disk.signed_stream():
        signed = np.empty_like(part.signatures)
        blockhash.sign(part.data, machine.access.secrets.signature, signed)
        assert np.array_equal(signed, part.signatures)
        at = 0
        for first, count in part.extents.tolist():
            out[first * BLOCK_SIZE : (first + count) * BLOCK_SIZE] = part.data[at : at + count * BLOCK_SIZE]
            at += count * BLOCK_SIZE
    return out.tobytes()


def whole() -> bytes:
    disk = np.zeros(600, np.int64)
    disk[NUMBERS] = TAGS
    return content(disk).tobytes()


async def test_every_flipped_byte_is_found() -> None:
    machine = Machine()
    point = await small_point(machine)
    [name] = machine.store.objects
    good = machine.store.objects[name]
    ref = machine.points[0].point.packs[0]
    assert await read_all(machine, point) == whole()
    footer_at = int.from_bytes(good[-TRAILER_SIZE:][:8], "little")
    # Every byte of what has structure; of the payload every 61st, which meets every frame.
    places = [*range(HEADER_SIZE), *range(HEADER_SIZE, footer_at, 61), *range(footer_at, len(good))]
    for at in places:
        machine.store.objects[name] = good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]
        with pytest.raises(IntegrityError, match=ref.id.hex()):
            await read_all(machine, point)
        with pytest.raises(IntegrityError, match=ref.id.hex()):
            scrub(ref.id, machine.store.objects[name])


async def test_every_truncation_is_found() -> None:
    machine = Machine()
    point = await small_point(machine)
    [name] = machine.store.objects
    good = machine.store.objects[name]
    ref = machine.points[0].point.packs[0]
    for size in [*range(0, 300), *range(300, len(good), 97), len(good) - 1]:
        machine.store.objects[name] = good[:size]
        with pytest.raises(IntegrityError, match=ref.id.hex()):
            await read_all(machine, point)
        with pytest.raises(IntegrityError, match=ref.id.hex()):
            scrub(ref.id, good[:size])
    with pytest.raises(IntegrityError, match="trailer"):
        scrub(ref.id, good + bytes(1))
    del machine.store.objects[name]
    with pytest.raises(IntegrityError, match="missing"):
        await read_all(machine, point)


async def test_packs_stay_where_they_belong() -> None:
    """A pack under another's name, of another machine or of another vault is refused, footer and frames alike."""
    access = access_of()
    ours, theirs = (write_pack(access, DISKS, [(0, NUMBERS, TAGS)]) for _ in range(2))
    store = DictStore()
    name = names.pack(MACHINE, ours.ref.id.hex())
    await store.create(name, theirs.buffers)
    with pytest.raises(IntegrityError, match="record names"):
        await fetch_footer(store, access, MACHINE, ours.ref)
    data = b"".join(theirs.buffers)
    for where, machine_id, ref in (
        (access, "c3" * 16, theirs.ref),
        (access_of("d4" * 16), MACHINE, theirs.ref),
        (access_of(index_key=b"j" * 32), MACHINE, theirs.ref),
        (access, MACHINE, ours.ref),
    ):
        with pytest.raises(IntegrityError, match=r"does not open|record names"):
            inline_footer(where, machine_id, ref, data)
    with pytest.raises(IntegrityError, match="record names"):
        inline_key(access, ours.ref, data)
    header, trailer = data[:HEADER_SIZE], parse_trailer(theirs.ref.id, len(data), data[-TRAILER_SIZE:])
    with pytest.raises(IntegrityError, match="another pack"):
        open_header(access, ours.ref.id, header, trailer)
    with pytest.raises(IntegrityError, match="another pack"):
        scrub(ours.ref.id, data)


async def test_a_stranger_s_pack_sealed_to_our_key_is_never_decoded() -> None:
    """The recovery key is public, and another stolen source holds the index key: only the signed record's hash tells them apart."""
    machine = Machine()
    point = await small_point(machine)
    history = machine.history()
    mapped = await resolve(history, point)
    [name] = machine.store.objects
    ref = machine.points[0].point.packs[0]
    good = machine.store.objects[name]
    writer = PackWriter(machine.access, MACHINE, [disk_id("vda")], entropy=lambda n: ref.id if n == 16 else bytes(n))
    forged = b"".join(write_pack(machine.access, [disk_id("vda")], [(0, NUMBERS, TAGS + 10)], writer).buffers)
    for pack, reason in (
        (forged, r"record names|trailer|before its size"),
        (forged[:-TRAILER_SIZE].ljust(len(good) - TRAILER_SIZE)[: len(good) - TRAILER_SIZE] + good[-TRAILER_SIZE:], "header"),
        (forged[:HEADER_SIZE] + good[HEADER_SIZE:], "header"),
    ):
        machine.store.objects[name] = pack
        with pytest.raises(IntegrityError, match=reason):
            await PointReader(history, mapped).disks[0].read_into(runs(NUMBERS), np.empty(len(NUMBERS) * BLOCK_SIZE, np.uint8))


async def test_frames_open_at_their_own_place_only() -> None:
    """Every field of a map's row is bound: another disk, block, frame, length or kind does not decode."""
    machine = Machine()
    sizes = {"vda": 600 * BLOCK_SIZE, "vdb": 600 * BLOCK_SIZE}
    point = await machine.add_point(sizes, [("vda", NUMBERS, TAGS), ("vdb", NUMBERS, TAGS)])
    history = machine.history()
    good = await resolve(history, point)
    a, b = (good.disks[disk_id(name)] for name in sizes)
    entry = good.entry

    async def read(rows: np.ndarray, mapped: DiskMap = a) -> None:
        changed = DiskMap(disk_id("vda"), mapped.size, rows, mapped.packs)
        disk = PointReader(history, PointMap(entry, {changed.disk_id: changed})).disks[0]
        async for _ in disk.stream():
            pass

    await read(a.rows)
    with pytest.raises(IntegrityError, match="frame"):
        await read(b.rows)
    for field, value in (
        ("first", 5),
        ("number", 1),
        ("number", 77),
        ("offset", 161),
        ("offset", 10**6),
        ("length", 40),
        ("length", 10),
        ("kind", KIND_RAW),
        ("frame_blocks", 3),
    ):
        rows = a.rows.copy()
        rows[field][0] = value
        with pytest.raises(IntegrityError):
            await read(rows)


async def test_a_source_s_key_reads_signatures_but_no_data() -> None:
    machine = Machine(access=access_of(reads=False))
    point = await small_point(machine)
    history = machine.history()
    disk = PointReader(history, await resolve(history, point)).disks[0]
    got = [part async for part in disk.signatures()]
    want = np.empty((len(TAGS[TAGS > 0]), 16), np.uint8)
    blockhash.sign(content(TAGS[TAGS > 0]), machine.access.secrets.signature, want)
    assert np.array_equal(np.concatenate([extents for extents, _ in got]), runs(NUMBERS[TAGS > 0]))
    assert np.array_equal(np.concatenate([signatures for _, signatures in got]), want)
    with pytest.raises(AccessDenied, match="generation 1") as caught:
        async for _ in disk.stream():
            pass
    assert "operator" in caught.value.hint


async def test_hostile_sizes_allocate_nothing() -> None:
    machine = Machine()
    await small_point(machine)
    ref = machine.points[0].point.packs[0]
    for size in (-1, 0, 287, 64 << 30, 2**63):
        with pytest.raises(UnderstudyError, match="no pack has"):
            await fetch_footer(machine.store, machine.access, MACHINE, type(ref)(id=ref.id, size=size, hash=ref.hash))


def test_pieces_of_frames_are_sorted() -> None:
    finished = write_pack(access_of(), DISKS, [(0, NUMBERS[4:], TAGS[4:]), (0, NUMBERS[:4], TAGS[:4])])
    rows = pieces_of(finished.frames, 3)
    assert rows["first"].tolist() == [0, 2, 9, 70, 500]
    assert set(rows["pack"].tolist()) == {3}
    assert PackAt(finished.ref.id, finished.ref.size, finished.ref.hash).seq == 0
