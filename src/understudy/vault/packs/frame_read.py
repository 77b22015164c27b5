"""Read and decode the frames behind a selection's rows, pack by pack, into the blocks of a buffer."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.model import BLOCK_SIZE, Bytes, Data, Rows, Signatures
from understudy.native.decode import FrameError, decode
from understudy.native.encode import scratch_size
from understudy.native.layout import FRAME, KIND_ZERO
from understudy.vault.concurrent import both, each
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.selection import Blocks, Selection, ramp
from understudy.vault.packs.footer import signature_starts
from understudy.vault.packs.pack_layout import PackKey, damaged
from understudy.vault.packs.pack_source import Packs
from understudy.vault.packs.ranges import Reads, coalesce

GAP = 16 << 10
"""Reading so many bytes that nobody wants is cheaper than another request."""
IN_FLIGHT = 4
"""Packs of one selection that are read at once."""
USUAL = 4 << 20
"""Bytes of frames that are decoded at a time, but for some units."""

_local = threading.local()


@dataclass(frozen=True, slots=True)
class PackPart:
    """What is wanted of one pack.

    frames: FRAME rows, each once, by number. source: of their concatenation these blocks are wanted; None for all, as they come.
    target: the blocks of the buffer where they go; None for one after the other from `start` on.
    """

    frames: Rows
    start: int
    source: Blocks | None
    target: Blocks | None


def split_by_pack(selection: Selection) -> list[tuple[int, Selection]]:
    """The rows of each pack, in the order that they had."""
    order = np.argsort(selection.rows["pack"], kind="stable")
    rows, at = selection.rows[order], selection.at[order]
    packs, heads = np.unique(rows["pack"], return_index=True)
    ends = [*heads[1:].tolist(), len(rows)]
    return [(pack, Selection(rows[a:b], at[a:b])) for pack, a, b in zip(packs.tolist(), heads.tolist(), ends, strict=True)]


def part_of(pack: PackAt, selection: Selection) -> PackPart:
    """The frames behind one pack's rows. `IntegrityError` where two rows tell different things of one frame."""
    rows = selection.rows
    frames = np.zeros(len(rows), dtype=FRAME)
    skip, blocks = rows["skip"].astype(np.int64), rows["blocks"].astype(np.int64)
    frames["first"] = rows["first"] - rows["skip"]
    frames["blocks"] = rows["frame_blocks"]
    for column in ("offset", "length", "number", "kind"):
        frames[column] = rows[column]
    _, heads, frame_of = np.unique(frames["number"], return_index=True, return_inverse=True)
    own = frames[heads]
    if (own[frame_of] != frames).any():
        raise damaged(pack.id, "a map tells two things of one frame")
    sizes = own["blocks"].astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    origin = starts[frame_of] + skip
    # Usual case: whole frames, in order, without a hole: decoded where they belong.
    if len(own) == len(rows) and (selection.at - selection.at[0] == origin).all() and (blocks == rows["frame_blocks"]).all():
        return PackPart(own, int(selection.at[0]), None, None)
    together = bool((selection.at[1:] == (selection.at + blocks)[:-1]).all())
    return PackPart(own, int(selection.at[0]), ramp(origin, blocks), None if together else ramp(selection.at, blocks))


async def read_blocks(source: Packs, disk_id: bytes, packs: Sequence[PackAt], selection: Selection, out: Bytes) -> None:
    """Fill the selected blocks of `out`. `IntegrityError` naming pack and frame; then `out` holds no wrong data, only less."""
    payload = selection.rows["kind"] != KIND_ZERO
    if not payload.all():
        target = ramp(selection.at[~payload], selection.rows["blocks"][~payload].astype(np.int64))
        out.reshape(-1, BLOCK_SIZE)[target] = 0
        selection = Selection(selection.rows[payload], selection.at[payload])

    async def read_pack(item: tuple[int, Selection]) -> None:
        pack = packs[item[0]]
        part = part_of(pack, item[1])
        reads = coalesce(part.frames["offset"].astype(np.int64), part.frames["length"].astype(np.int64), GAP, source.read_most)
        ranges = list(zip(reads.start.tolist(), reads.length.tolist(), strict=True))
        key, data = await both(source.key(pack), each(source.at_once, lambda item: source.read(pack, *item), ranges))
        await asyncio.to_thread(_decode, pack, key, source.context(pack, disk_id), part, reads, data, out)

    await each(IN_FLIGHT, read_pack, split_by_pack(selection))


def _decode(pack: PackAt, key: PackKey, context: Bytes, part: PackPart, reads: Reads, data: Sequence[Data], out: Bytes) -> None:
    size = int(part.frames["blocks"].sum()) * BLOCK_SIZE
    into = out[part.start * BLOCK_SIZE :][:size] if part.source is None else _frames(size)
    done = 0
    for i, sealed in enumerate(data):
        frames = part.frames[reads.owner == i]
        try:
            blocks = decode(
                np.frombuffer(sealed, dtype=np.uint8),
                int(reads.start[i]),
                frames,
                suite=key.suite,
                key=key.key,
                context=context,
                out=into[done * BLOCK_SIZE :],
                scratch=_scratch(),
            )
        except FrameError as error:
            raise damaged(pack.id, f"frame {error.number}: {error.reason}") from error
        done += blocks
    if part.source is not None:
        whole = out.reshape(-1, BLOCK_SIZE)
        if part.target is None:
            # Every index is in range: "clip" only keeps numpy from copying all of it once more. Gathered and then laid out, units were
            # copied twice, by way of memory that was made for each.
            space = whole[part.start : part.start + len(part.source)]
            np.take(into.reshape(-1, BLOCK_SIZE), part.source, axis=0, out=space, mode="clip")
        else:
            whole[part.target] = into.reshape(-1, BLOCK_SIZE)[part.source]


def _scratch() -> Bytes:
    """decode's working space, one a thread."""
    if not hasattr(_local, "scratch"):
        _local.scratch = np.empty(scratch_size(), dtype=np.uint8)
    scratch: Bytes = _local.scratch
    return scratch


def _frames(size: int) -> Bytes:
    """Where frames lie of which not all blocks are wanted, or not in their order; one a thread for units of the usual size.

    Of a machine whose blocks change here and there these are most.
    """
    if size > USUAL:
        return np.empty(size, dtype=np.uint8)
    if not hasattr(_local, "frames"):
        _local.frames = np.empty(USUAL, dtype=np.uint8)
    frames: Bytes = _local.frames
    return frames[:size]


async def read_signatures(source: Packs, disk_id: bytes, packs: Sequence[PackAt], selection: Selection, out: Signatures) -> None:
    """The same for the signatures that the packs' footers hold; needs no recovery key. Zero rows have all-zero ones."""
    out[:] = 0

    async def read_pack(item: tuple[int, Selection]) -> None:
        pack = packs[item[0]]
        rows, at = item[1].rows, item[1].at
        footer = await source.footer(pack)
        number = rows["number"].astype(np.int64)
        payload = footer.frames[footer.frames["kind"] != KIND_ZERO]
        if len(number) and int(number.max()) >= len(payload):
            raise damaged(pack.id, "a map names a frame that it has not")
        frames = payload[number]
        same = (frames["first"] == rows["first"] - rows["skip"]) & (frames["blocks"] == rows["frame_blocks"])
        same &= (frames["offset"] == rows["offset"]) & (frames["length"] == rows["length"]) & (frames["kind"] == rows["kind"])
        if not same.all() or any(footer.disks[i] != disk_id for i in np.unique(frames["disk"]).tolist()):
            raise damaged(pack.id, "a map tells of its frames what its footer does not")
        blocks = rows["blocks"].astype(np.int64)
        out[ramp(at, blocks)] = footer.signatures[ramp(signature_starts(footer.frames)[number] + rows["skip"], blocks)]

    payload = selection.rows["kind"] != KIND_ZERO
    await each(IN_FLIGHT, read_pack, split_by_pack(Selection(selection.rows[payload], selection.at[payload])))
