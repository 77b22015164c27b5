"""Packs and checkpoints written by the first version of the format still read, and are still written the same.

Write them anew (a new format, never a fix to this test) with `python -m tests.vault.test_golden_maps`.
"""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from tests.vault.kit import MACHINE, Machine, content, disk_id, write_pack
from understudy.model import BLOCK_SIZE
from understudy.native.layout import SUITE_AEGIS256, SUITE_XCHACHA20POLY1305
from understudy.vault.kinds import Checkpoint, PackRef
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.reader import PointReader
from understudy.vault.maps.resolve import resolve
from understudy.vault.packs.pack import PackWriter
from understudy.vault.packs.pack_fetch import inline_ref
from understudy.vault.packs.pack_layout import TRAILER_SIZE

GOLDEN = Path(__file__).parents[1] / "golden"
SUITES = {"aegis256": SUITE_AEGIS256, "xchacha20poly1305": SUITE_XCHACHA20POLY1305}
SIZES = {"vda": 200 * BLOCK_SIZE, "vdb": 5000}
NUMBERS = {"vda": np.array([0, 1, 2, 3, 100, 101, 199]), "vdb": np.array([0, 1])}
TAGS = {"vda": np.array([2, 4, 0, 0, 5, 6, 8]), "vdb": np.array([10, 0])}
SEALED_KEY = slice(32, 112)
"""Libsodium draws its own randomness for it, and the trailer's hashes follow."""


def fixed(seed: bytes) -> Callable[[int], bytes]:
    """Entropy that is the same every time."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return blake2b(seed + bytes([count]), digest_size=size).digest()

    return draw


def golden_pack(machine: Machine, suite: str) -> bytes:
    disks = [disk_id(name) for name in SIZES]
    writer = PackWriter(machine.access, MACHINE, disks, SUITES[suite], entropy=fixed(suite.encode()))
    changes = [(i, NUMBERS[name], TAGS[name]) for i, name in enumerate(SIZES)]
    return b"".join(write_pack(machine.access, disks, changes, writer).buffers)


async def golden_machine() -> tuple[Machine, bytes]:
    """The point that the golden files tell of: the older pack as an object, the newer one inline in record 2."""
    machine = Machine()
    older, newer = ((GOLDEN / f"pack-{suite}.bin").read_bytes() for suite in SUITES)
    await machine.add_packs(SIZES, [inline_ref(older)], [older])
    ref = inline_ref(newer)
    point = await machine.add_packs(SIZES, [PackRef(id=ref.id, size=ref.size, hash=ref.hash)], [newer], inline=True)
    return machine, point


@pytest.mark.parametrize("suite", SUITES)
def test_packs_are_written_the_same(suite: str) -> None:
    """LZ4's choices are not part of the format; they have not changed in years, and where they do only this test may follow."""
    want = (GOLDEN / f"pack-{suite}.bin").read_bytes()
    got = golden_pack(Machine(), suite)
    assert got[: SEALED_KEY.start] == want[: SEALED_KEY.start]
    assert got[SEALED_KEY.stop : -TRAILER_SIZE] == want[SEALED_KEY.stop : -TRAILER_SIZE]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("inline", [True, False])
async def test_packs_still_read(suite: str, inline: bool) -> None:
    machine = Machine()
    data = (GOLDEN / f"pack-{suite}.bin").read_bytes()
    point = await machine.add_packs(SIZES, [inline_ref(data)], [data], inline=inline)
    await check(machine, point)


async def test_checkpoints_are_written_the_same() -> None:
    machine, point = await golden_machine()
    await take_checkpoint(machine.history(), point, fixed(b"checkpoint"))
    [written] = [data for name, data in machine.store.objects.items() if "/maps/" in name]
    assert written == (GOLDEN / "hashed.bin").read_bytes()


def golden_checkpoint(name: str, point: bytes) -> tuple[Checkpoint, bytes]:
    """`checkpoint`: of the format's first version, without hashes; `hashed`: as they are written now."""
    stored = (GOLDEN / f"{name}.bin").read_bytes()
    offset, length = (int(number) for number in (GOLDEN / f"{name}.directory").read_text().split())
    digest = blake2b(stored[offset : offset + length], digest_size=32).digest() if name == "hashed" else b""
    return Checkpoint(point=point, id=fixed(b"checkpoint")(16), size=len(stored), directory=(offset, length), hash=digest), stored


@pytest.mark.parametrize("name", ["checkpoint", "hashed"])
async def test_checkpoints_still_read(name: str) -> None:
    machine, point = await golden_machine()
    checkpoint, stored = golden_checkpoint(name, point)
    machine.checkpoints.append(checkpoint)
    await machine.store.create(f"machines/{MACHINE}/maps/{checkpoint.id.hex()}", [stored])
    await check(machine, point)
    assert not (await resolve(machine.history(), point)).ignored


async def check(machine: Machine, point: bytes) -> None:
    reader = PointReader(machine.history(), await resolve(machine.history(), point))
    for name in SIZES:
        disk = reader.disk(disk_id(name))
        blocks = -(-SIZES[name] // BLOCK_SIZE)
        tags = np.zeros(blocks, np.int64)
        tags[NUMBERS[name]] = TAGS[name]
        out = np.empty(blocks * BLOCK_SIZE, np.uint8)
        await disk.read_into(np.array([[0, blocks]]), out)
        assert np.array_equal(out, content(tags))


async def write() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for suite in SUITES:
        (GOLDEN / f"pack-{suite}.bin").write_bytes(golden_pack(Machine(), suite))
    machine, point = await golden_machine()
    taken = await take_checkpoint(machine.history(), point, fixed(b"checkpoint"))
    [written] = [data for name, data in machine.store.objects.items() if "/maps/" in name]
    (GOLDEN / "hashed.bin").write_bytes(written)
    (GOLDEN / "hashed.directory").write_text("{} {}\n".format(*taken.directory))


if __name__ == "__main__":
    asyncio.run(write())
