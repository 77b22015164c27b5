"""Read checkpoints: their directory, and pages in few ranged requests."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from understudy.errors import IntegrityError, NotFound
from understudy.model import Rows
from understudy.store.protocol import Reader
from understudy.vault import names
from understudy.vault.concurrent import each
from understudy.vault.kinds import Checkpoint
from understudy.vault.maps.checkpoint_directory import NO_HASH, PAGE_BYTES_MAX, Directory, MapObject, open_directory, page_hash
from understudy.vault.maps.checkpoint_page import open_page
from understudy.vault.maps.diskmap import NO_ROWS, PackAt, PackTable, repack
from understudy.vault.maps.history import History
from understudy.vault.packs.pack_layout import blake2b_256
from understudy.vault.packs.ranges import coalesce

GAP = 64 << 10
READ_MAX = 8 << 20
IN_FLIGHT = 8


class CheckpointDamaged(IntegrityError):
    """A checkpoint, or an older one that it builds on, cannot be used. Whatever it says, packs' footers say too."""


@dataclass(frozen=True, slots=True)
class PageAt:
    """One page to read: where it is, and what it is the map of."""

    object: MapObject
    offset: int
    length: int
    disk_id: bytes
    region: int
    hash: bytes


async def _fetch(store: Reader, machine_id: str, checkpoint_id: bytes, start: int, length: int) -> bytes:
    name = f"checkpoint {checkpoint_id.hex()}"
    try:
        data = await store.get(names.checkpoint(machine_id, checkpoint_id.hex()), start, length)
    except NotFound:
        raise IntegrityError(f"{name}: is missing from the vault") from None
    if len(data) != length:
        raise IntegrityError(f"{name}: ends at byte {start + len(data)}, before its size")
    return bytes(data)


async def read_directory(history: History, checkpoint: Checkpoint) -> Directory:
    """`CheckpointDamaged` if it does not read."""
    offset, length = checkpoint.directory
    with checkpoint_damaged():
        if not (0 <= offset <= checkpoint.size and 0 <= length <= min(PAGE_BYTES_MAX, checkpoint.size - offset)):
            raise IntegrityError(f"checkpoint {checkpoint.id.hex()}: its record places the directory outside it")
        sealed = await _fetch(history.reader, history.machine_id, checkpoint.id, offset, length)
        hashed = bool(checkpoint.hash)
        if hashed and blake2b_256(sealed) != checkpoint.hash:
            raise IntegrityError(f"checkpoint {checkpoint.id.hex()}: its directory is not the one that its record names")
        return open_directory(history.access, history.machine_id, checkpoint.id, checkpoint.point, sealed, hashed=hashed)


@contextmanager
def checkpoint_damaged() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise CheckpointDamaged(error.message, hint=error.hint) from error


async def read_pages(history: History, wanted: Sequence[PageAt], table: PackTable) -> list[Rows]:
    """Each page's valid rows in the order asked for, with PIECE.pack as an index into `table`; else `CheckpointDamaged`."""
    by_object: dict[bytes, list[int]] = {}
    for i, page in enumerate(wanted):
        by_object.setdefault(page.object.id, []).append(i)
    reads: list[tuple[bytes, int, int, list[int]]] = []
    for object_id, indexes in by_object.items():
        starts = np.array([wanted[i].offset for i in indexes], dtype=np.int64)
        lengths = np.array([wanted[i].length for i in indexes], dtype=np.int64)
        joined = coalesce(starts, lengths, GAP, READ_MAX)
        for r in range(len(joined.start)):
            own = [indexes[m] for m in np.flatnonzero(joined.owner == r).tolist()]
            reads.append((object_id, int(joined.start[r]), int(joined.length[r]), own))
    found: list[Rows] = [NO_ROWS] * len(wanted)

    async def load(read: tuple[bytes, int, int, list[int]]) -> None:
        object_id, start, length, own = read
        data = await _fetch(history.reader, history.machine_id, object_id, start, length)
        pages = [wanted[i] for i in own]
        for i, (rows, packs) in zip(own, await asyncio.to_thread(_open, history, object_id, data, start, pages), strict=True):
            found[i] = repack(rows, packs, table)

    with checkpoint_damaged():
        await each(IN_FLIGHT, load, reads)
    return found


def _open(history: History, object_id: bytes, data: bytes, base: int, pages: Sequence[PageAt]) -> list[tuple[Rows, list[PackAt]]]:
    opened: list[tuple[Rows, list[PackAt]]] = []
    for page in pages:
        sealed = data[page.offset - base : page.offset - base + page.length]
        if page.hash != NO_HASH and page_hash(sealed) != page.hash:
            raise IntegrityError(f"checkpoint {object_id.hex()}: page {page.region}: is not the one that the directory names")
        opened.append(open_page(history.access, history.machine_id, object_id, page.disk_id, page.region, sealed))
    return opened
