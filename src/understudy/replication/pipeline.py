"""Read → sign and compare → compress and seal → store, over all of a machine's disks, in bounded memory.

LANES units are read or encoded at once, and as many packs are under way as the store can take; encoding runs in `threads` without the GIL.
Peak memory is LANES units and PACKS bytes of packs, whatever the disks' size and the store.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from understudy import extents as ext
from understudy.errors import IntegrityError
from understudy.finish import finish_in_thread, first_failure
from understudy.model import BLOCK_SIZE, SIGNATURE_SIZE, Bytes, Extents
from understudy.native.delta import differs
from understudy.native.encode import Encoded
from understudy.replication.journal import JournalWriter
from understudy.replication.report import CycleProgress, ProgressSink
from understudy.replication.shape import LEAST, Shape, enough, shape_for
from understudy.replication.sigfile import SignatureFile
from understudy.replication.upload import store_pack
from understudy.source.protocol import DiskSnapshot
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.kinds import PackRef
from understudy.vault.packs.pack import FinishedPack, PackWriter

LANES = 4
INLINE_LIMIT = 40 << 10
"""A lone pack up to this size travels in the point's record, which may take 64 KiB in all."""


@dataclass(frozen=True, slots=True)
class DiskWork:
    """What to examine of one disk. `index` is its place in the packs' table of disks."""

    index: int
    snapshot: DiskSnapshot
    extents: Extents
    signatures: SignatureFile


@dataclass(slots=True)
class DiskTally:
    """What examining one disk came to."""

    examined: int = 0
    changed: int = 0
    zero: int = 0
    digest: int = 0
    """To be added to the disk's digest, modulo 2^128."""

    def add(self, blocks: int, encoded: Encoded) -> None:
        self.examined += blocks
        self.changed += encoded.changed
        self.zero += encoded.zero
        self.digest = (self.digest + encoded.digest) % (1 << 128)


class Shipped(NamedTuple):
    """Packs that are durable now, or the one that is small enough to travel in the record."""

    packs: tuple[PackRef, ...]
    inline: bytes
    stored: int


@dataclass(slots=True)
class Pipeline:
    """One cycle's run. Every pack it names in its result is durable, and its signatures are in the journal."""

    access: Access
    store: ObjectStore
    machine_id: str
    disks: tuple[bytes, ...]
    journal: JournalWriter
    threads: Executor
    progress: ProgressSink
    unnamed: list[PackRef]
    """Every pack is added to it that is stored, or may be."""
    inline: bool
    """Whether a lone small pack may travel in a record instead of being stored."""
    _packs: list[PackRef] = field(default_factory=list)
    _stored: int = 0
    _sealed: int = 0
    _done: int = 0
    _total: int = 0
    _writers: list[PackWriter] = field(default_factory=list)
    _idle: deque[PackWriter] = field(default_factory=deque)
    """Whoever encodes takes the last, and makes one if there is none: the fewest packs are begun, and they are full one after the other.
    With a pack for each lane all were full, and stored, at the same time: for 0.45 of 3.2 s nothing was encoded."""
    _room: asyncio.Semaphore = field(init=False)
    """One for each pack that is idle, or could be begun."""
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who encodes while little was found: in a pack for each lane, what changed of a disk that is read in full took up to four
    requests. What did not change is passed over beside it."""
    _journal_turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, work: Sequence[DiskWork]) -> tuple[list[DiskTally], Shipped]:
        """Tallies in the order of `work`. On any error the packs already stored are garbage that no record names."""
        tallies = [DiskTally() for _ in work]
        self._total = sum(ext.total(item.extents) for item in work)
        self._tell()
        if not self._total:
            return tallies, Shipped((), b"", 0)
        shape = shape_for(self.store.capabilities, self._total * BLOCK_SIZE)
        self._room = asyncio.Semaphore(shape.packs)
        units = _units(work, shape.unit)
        # Each begins a pack of its own, and a lone small one is none at all: of little there is one.
        lanes = min(LANES, -(-self._total // max(shape.unit, LEAST // BLOCK_SIZE)))
        try:
            async with asyncio.TaskGroup() as running:
                reading = [running.create_task(self._lane(units, shape, tallies, work, running)) for _ in range(lanes)]
                await asyncio.wait(reading)
                self._rest(running)
            return tallies, await self._last()
        except BaseExceptionGroup as group:
            raise first_failure(group) from None

    async def _lane(
        self,
        units: Iterator[tuple[int, Extents]],
        shape: Shape,
        tallies: list[DiskTally],
        work: Sequence[DiskWork],
        running: asyncio.TaskGroup,
    ) -> None:
        buffer: Bytes | None = None
        for turn, unit in units:
            if buffer is None:
                buffer = np.empty(shape.unit * BLOCK_SIZE, dtype=np.uint8)
            blocks = ext.total(unit)
            data = buffer[: blocks * BLOCK_SIZE]
            await work[turn].snapshot.read_into(unit, data)
            little = shape.spread and self._sealed < LEAST
            if little and not await finish_in_thread(partial(_differs, self.access, work[turn], data, unit), self.threads):
                tallies[turn].examined += blocks
                self._done += blocks
                self._tell()
                continue
            async with self._alone if little else nullcontext():
                await self._room.acquire()
                encoded, full = await finish_in_thread(partial(self._encode, work[turn], data, unit, shape), self.threads)
                tallies[turn].add(blocks, encoded)
                self._done += blocks
                self._sealed += encoded.sealed
                if full is None:
                    self._room.release()
                else:
                    running.create_task(self._away(full))
            self._tell()

    def _encode(self, work: DiskWork, data: Bytes, unit: Extents, shape: Shape) -> tuple[Encoded, PackWriter | None]:
        """And the pack that is to go, if it has enough now. In a thread: one that is not is the next one's at once."""
        try:
            writer = self._idle.pop()
        except IndexError:
            writer = PackWriter(self.access, self.machine_id, self.disks, capacity=shape.capacity)
            self._writers.append(writer)
        old = work.signatures.read(unit)
        new = np.empty((len(data) // BLOCK_SIZE, SIGNATURE_SIZE), dtype=np.uint8)
        encoded = writer.add(work.index, data, unit, old, new)
        done = (self._done + len(new)) / self._total
        if writer.room < shape.unit or writer.sealed >= enough(shape, self._sealed + encoded.sealed, done):
            return encoded, writer
        self._idle.append(writer)
        return encoded, None

    async def _away(self, writer: PackWriter) -> None:
        """Store what it holds; then it is for the next who finds none that is begun."""
        await self._ship(await self._finish(writer))
        writer.reset()
        self._idle.appendleft(writer)
        self._room.release()

    def _rest(self, running: asyncio.TaskGroup) -> None:
        """Packs begun and not full go beside those that are under way, but for a lone one."""
        begun = [writer for writer in self._writers if not writer.empty]
        while self._idle and len(begun) > 1:
            writer = self._idle.pop()
            if not writer.empty:
                running.create_task(self._away(writer))

    async def _last(self) -> Shipped:
        """The lone one, which if it is small is not stored by itself."""
        writers = [writer for writer in self._writers if not writer.empty]
        for writer in writers:
            finished = await self._finish(writer)
            if self.inline and not self._packs and finished.ref.size <= INLINE_LIMIT:
                return Shipped((), b"".join(finished.buffers), finished.ref.size)
            await self._ship(finished)
        return Shipped(tuple(self._packs), b"", self._stored)

    async def _finish(self, writer: PackWriter) -> FinishedPack:
        finished = await finish_in_thread(writer.finish, self.threads)
        async with self._journal_turn:
            await finish_in_thread(partial(self.journal.add, finished.frames, finished.signatures, self.disks), self.threads)
        return finished

    async def _ship(self, finished: FinishedPack) -> None:
        # Before it is stored: cancelled in the middle, it will be.
        self.unnamed.append(finished.ref)
        try:
            await store_pack(self.store, names.pack(self.machine_id, finished.ref.id.hex()), finished.buffers)
        except IntegrityError:
            # What has its name is not ours.
            self.unnamed.remove(finished.ref)
            raise
        self._packs.append(finished.ref)
        self._stored += finished.ref.size
        self._tell()

    def _tell(self) -> None:
        self.progress(CycleProgress("transfer", self._done * BLOCK_SIZE, self._total * BLOCK_SIZE, self._stored))


def _units(work: Sequence[DiskWork], most: int) -> Iterator[tuple[int, Extents]]:
    for turn, item in enumerate(work):
        for unit in ext.units(item.extents, most, most):
            yield turn, unit


def _differs(access: Access, work: DiskWork, data: Bytes, unit: Extents) -> int:
    out = np.empty(len(data) // BLOCK_SIZE, dtype=np.uint8)
    return differs(data, work.signatures.read(unit), access.secrets.signature, out)
