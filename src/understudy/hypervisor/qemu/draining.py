"""Making a disk's overlay whole while its guest runs: what it lacks is copied into it, and nothing lies below it any more.

QEMU is asked over NBD to have at hand what is no hole; it copies what it reads for that from below, where the guest has not written, and
no record of changes is touched by it. Its own job for this (`block-stream`) looks at every half MiB of a disk: of 1 TiB that held 16 MiB,
on an export, it had done 0.3 % after 40 s; this took a second. Besides, nobody else may copy the disk while such a job runs.
"""

import asyncio
import errno
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress

import numpy as np
from numpy.typing import NDArray

from understudy.errors import Busy, Conflict, TargetFailed, UnderstudyError
from understudy.finish import finish
from understudy.hypervisor.qemu.image_arguments import below_of, node_of, overlay_options
from understudy.hypervisor.qemu.process import RunProcess
from understudy.nbd.client import NbdClient
from understudy.nbd.failure import NbdFailed
from understudy.nbd.wire import BASE_ALLOCATION, ZERO_BIT
from understudy.qemu.blocklayer import end_exports
from understudy.qemu.session import QmpRefused, QmpSession

POLL = 0.2
WAITS = 90.0
"""Seconds without any progress; more than QEMU waits for an export that is begun again."""
STEP = 64 << 20
"""Bytes between two words of progress."""

_DEPTH = "qemu:allocation-depth"
_OWN = 1
_EXPORT = "drain-"

Told = Callable[[int, int], None]
"""Bytes done, and of how many."""


class Draining:
    """One disk, by one caller. `told` bytes done and in all."""

    def __init__(self, process: RunProcess, disk: str, told: Told) -> None:
        self._process = process
        self._socket = process.places.nbd
        self._disk = disk
        self._told = told
        self._done = 0

    async def run(self) -> None:
        """Said again it copies what is still missing. Killed, it leaves an export in QEMU, which is gone when it is said again."""
        clock = asyncio.get_running_loop().time
        until, before = clock() + WAITS, 0
        try:
            while True:
                try:
                    return await self._all()
                except (NbdFailed, Busy) as error:
                    if isinstance(error, NbdFailed) and error.errno == errno.ENOSPC:
                        raise self._failed("there is no room for its overlay", "free space there") from error
                    if self._done > before:
                        until, before = clock() + WAITS, self._done
                    if clock() > until:
                        raise self._failed(error.message, "see its export, and whether that reaches the vault") from error
                await asyncio.sleep(POLL)
        finally:
            # Where the machine is gone, this is gone with it.
            with suppress(UnderstudyError):
                await finish(self._close())

    async def _all(self) -> None:
        if await self._opened():
            path, (below, *_) = str(self._socket), below_of(self._disk)
            async with (
                await NbdClient.connect_unix(path, node_of(self._disk), (_DEPTH,), timeout=WAITS) as client,
                await NbdClient.connect_unix(path, below, (BASE_ALLOCATION,), timeout=WAITS) as lower,
            ):
                await self._copy(client, await _data(lower, client.size))
            await self._close()
        async with self._process.session() as session:
            await _cut(session, self._disk)

    async def _opened(self) -> bool:
        """Whether anything lies below it. QEMU shows it to us then."""
        async with self._process.session() as session:
            if node_of(self._disk) not in await _nodes(session):
                raise Conflict(f"the machine has no disk {self._disk} any more", hint="end it, and start it again")
            if not await _backed(session, node_of(self._disk)):
                return False
            try:
                await session.execute("nbd-server-start", {"addr": {"type": "unix", "data": {"path": str(self._socket)}}})
            except QmpRefused as error:
                if "already running" not in error.said or not self._socket.exists():
                    raise Busy(f"its QEMU serves somebody else by NBD: {error.said}", hint="wait until that is over") from error
            await end_exports(session, _EXPORT)
            for node in (node_of(self._disk), below_of(self._disk)[0]):
                shown = {"type": "nbd", "id": f"{_EXPORT}{node}", "node-name": node, "name": node}
                await session.execute("block-export-add", {**shown, "allocation-depth": True})
            return True

    async def _copy(self, client: NbdClient, data: NDArray[np.int64]) -> None:
        total, done = int(data[:, 1].sum()), 0
        self._told(done, total)
        for pieces in groups(data):
            await client.cache((offset, length) for offset, length in pieces.tolist())
            if not await _has(client, pieces):
                raise self._failed("QEMU did not copy all that it was asked for", "is it a QEMU of 5.2 or later?")
            done += int(pieces[:, 1].sum())
            self._done = max(self._done, done)
            self._told(done, total)

    async def _close(self) -> None:
        async with self._process.session() as session:
            await end_exports(session, _EXPORT)
            if not self._socket.exists() or await session.execute("query-block-exports"):
                return
            try:
                await session.execute("nbd-server-stop")
            except QmpRefused as error:
                if "not running" not in error.said:
                    raise
            self._socket.unlink(missing_ok=True)

    def _failed(self, why: str, hint: str) -> TargetFailed:
        return TargetFailed(f"disk {self._disk} cannot be drained: {why}", hint=f"{hint}; then drain it again: what was copied stays")


async def _data(below: NbdClient, size: int) -> NDArray[np.int64]:
    """Offsets and lengths of what is no hole. Behind its end all is zero."""
    async with aclosing(below.block_status(BASE_ALLOCATION, 0, min(size, below.size))) as pieces:
        found = [rows[rows[:, 2] & ZERO_BIT == 0][:, :2] async for rows in pieces]
    data: NDArray[np.int64] = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    return data[np.argsort(data[:, 0])]


def groups(data: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Pieces in order, some `STEP` bytes of them at a time, and none of more."""
    counts = -(-data[:, 1] // STEP)
    starts = np.repeat(data[:, 0], counts) + STEP * (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts))
    lengths = np.minimum(STEP, np.repeat(data[:, 0] + data[:, 1], counts) - starts)
    pieces, far = np.stack([starts, lengths], axis=1), (np.cumsum(lengths) - lengths) // STEP
    # Where there is nothing for long, nothing is asked about it.
    new = (np.diff(far) > 0) | (starts[1:] - starts[:-1] - lengths[:-1] > STEP)
    return iter(group for group in np.split(pieces, np.flatnonzero(new) + 1) if len(group))


async def _has(client: NbdClient, pieces: NDArray[np.int64]) -> bool:
    """Whether the overlay itself holds all of them."""
    first, end = int(pieces[0, 0]), int(pieces[-1].sum())
    async with aclosing(client.block_status(_DEPTH, first, end - first)) as told:
        async for rows in told:
            lacking = rows[rows[:, 2] != _OWN]
            # Of all pieces the one after which each begins, or in which.
            after = np.searchsorted(pieces[:, 0], lacking[:, 0] + lacking[:, 1]) - 1
            if (pieces[after].sum(axis=1) > lacking[:, 0]).any():
                return False
    return True


async def _cut(session: QmpSession, disk: str) -> None:
    """What it has is on its storage, and nothing lies below it."""
    if await _backed(session, node_of(disk)):
        try:
            await session.execute("blockdev-reopen", {"options": [overlay_options(disk)]})
        except QmpRefused as error:
            raise Busy(f"what lies below it is in use: {error.said}", hint="wait until its replication's cycle is over") from error
    # Only then does it outlive QEMU and this host.
    said = await session.execute("human-monitor-command", {"command-line": f"qemu-io {node_of(disk)} flush"})
    if said:
        raise TargetFailed(f"the overlay of disk {disk} cannot be flushed: {said.strip()}", hint="see its file system, and drain it again")
    nodes = await _nodes(session)
    for name in below_of(disk):
        if name in nodes:
            await session.execute("blockdev-del", {"node-name": name})


async def _nodes(session: QmpSession) -> set[str]:
    return {node["node-name"] for node in await session.execute("query-named-block-nodes", {"flat": True})}


async def _backed(session: QmpSession, node: str) -> bool:
    graph = await session.execute("x-debug-query-block-graph")
    (number,) = (entry["id"] for entry in graph["nodes"] if entry["type"] == "block-driver" and entry["name"] == node)
    return any(edge["parent"] == number and edge["name"] == "backing" for edge in graph["edges"])
