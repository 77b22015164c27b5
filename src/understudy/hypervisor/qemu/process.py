"""One run's process: whether there is one, what it answers, and how it is ended. What is true is asked of the kernel and of QEMU."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from understudy.errors import SourceUnavailable, StateFailed, TargetFailed
from understudy.hypervisor.protocol import Held, State, Status
from understudy.hypervisor.qemu import launch
from understudy.hypervisor.qemu.arguments import IDENTITY
from understudy.hypervisor.qemu.locks import held
from understudy.hypervisor.qemu.places import Places
from understudy.hypervisor.qemu.record import Record, birth, boot_id, read, write
from understudy.qemu.session import QmpRefused, QmpSession

APPEARS = 20.0
"""Seconds within which a QEMU that was started answers, on a host that is busy."""
QUITS = 20.0
"""Seconds that it has to write out what it holds and end, before it is killed."""
ANSWERS = 5.0
POLL = 0.05

_STATUSES = {
    "running": Status.RUNNING,
    "prelaunch": Status.STARTING,
    "io-error": Status.STORAGE_ERROR,
    "shutdown": Status.SHUT_DOWN,
    "guest-panicked": Status.PANICKED,
    "internal-error": Status.PANICKED,
}
_REASONS = {
    Status.STORAGE_ERROR: "one of its disks failed or is full",
    Status.SHUT_DOWN: "shut down by its guest",
}


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The process of the run whose places these are."""

    places: Places

    @property
    def alive(self) -> bool:
        return held(self.places.life)

    async def state(self) -> State:
        record = read(self.places)
        if not self.alive:
            if record is not None and not self._began() and held(self.places.guard):
                return State(Status.STARTING, "its process is about to begin")
            return past(record, self.places)
        if record is None:
            return State(Status.STARTING, "its record is being written")
        try:
            async with self.session(ANSWERS) as session:
                said = (await session.execute("query-status"))["status"]
        except SourceUnavailable as error:
            if not self.alive:
                return past(read(self.places), self.places)
            return State(Status.SILENT if record.pid else Status.STARTING, error.message, record.pid)
        status = _STATUSES.get(said, Status.PAUSED)
        return State(status, _REASONS.get(status, "" if said in ("running", "paused") else f"QEMU says {said}"), record.pid)

    @contextlib.asynccontextmanager
    async def session(self, timeout: float = ANSWERS) -> AsyncIterator[QmpSession]:
        """A session with this very run's process. `SourceUnavailable` if it does not answer, or another one does."""
        record = read(self.places)
        session = await QmpSession.connect(str(self.places.control), timeout)
        try:
            labels = {device["label"] for device in await session.execute("query-chardev")}
            if record is None or IDENTITY + record.token not in labels:
                raise SourceUnavailable(f"another machine's QEMU answers at {self.places.control}", hint="end it by hand")
            yield session
        finally:
            await session.close()

    async def appeared(self) -> None:
        """It answers, and who it is is on record. `TargetFailed` with QEMU's words if it ended instead."""
        deadline = asyncio.get_running_loop().time() + APPEARS
        while True:
            # In this order: what had begun and is not alive then has ended.
            if self._began() and not self.alive:
                raise TargetFailed(
                    f"QEMU did not start: {launch.last_words(self.places) or 'it said nothing'}", hint="correct what it names"
                )
            try:
                async with self.session(1.0) as session:
                    self._remember(session.peer)
                    return
            except SourceUnavailable as error:
                if asyncio.get_running_loop().time() > deadline:
                    words = launch.last_words(self.places) or error.message
                    raise TargetFailed(f"QEMU does not answer: {words}", hint="destroy it, and start it again") from error
            await asyncio.sleep(POLL)

    def _began(self) -> bool:
        """Whether the recorded process came so far as to take its lock, whatever became of it."""
        record = read(self.places)
        try:
            return record is not None and self.places.life.read_bytes() == record.token.encode()
        except FileNotFoundError:
            return False

    async def let_go(self, before: Held | None) -> None:
        """The guest runs, if it was held at its start. `before` is done first."""
        if not await self._at_its_start():
            return
        if before is not None:
            await before(self.places.qmp)
        async with self.session() as session:
            await session.execute("cont")

    async def _at_its_start(self) -> bool:
        async with self.session() as session:
            return bool((await session.execute("query-status"))["status"] == "prelaunch")

    async def end(self, reason: str) -> None:
        """No process when this returns; what its disks hold is written out if QEMU still can."""
        record = read(self.places)
        if record is not None and not record.ended:
            # A state directory that is full keeps nothing alive that must end; why it ended is not known later then.
            with contextlib.suppress(StateFailed):
                write(self.places, msgspec.structs.replace(record, ended=reason))
        if not self.alive:
            return
        with contextlib.suppress(SourceUnavailable, QmpRefused):
            async with self.session() as session:
                # It may end before it answers.
                await session.execute("quit")
        if not await self._gone(QUITS):
            for pid in {*launch.holders(self.places.life), *([record.pid] if record is not None and record.pid else [])}:
                launch.kill(pid, record.born if record is not None and pid == record.pid else birth(pid))
            if not await self._gone(QUITS):
                raise TargetFailed(f"the machine's process does not end: see {self.places.directory}", hint="its storage may be stalled")

    async def _gone(self, timeout: float) -> bool:
        deadline = asyncio.get_running_loop().time() + timeout
        while self.alive:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL)
        return True

    def _remember(self, peer: int) -> None:
        record = read(self.places)
        if record is not None and record.pid != peer:
            write(self.places, msgspec.structs.replace(record, pid=peer, born=birth(peer)))


def past(record: Record | None, places: Places) -> State:
    """Of a run without a process."""
    if record is None:
        return State(Status.ABSENT)
    if record.ended:
        return State(Status.ENDED, record.ended)
    if record.boot != boot_id():
        return State(Status.CRASHED, "this host was restarted while it ran")
    words = launch.last_words(places)
    if not record.pid:
        return State(Status.CRASHED, f"it did not come up: {words or 'its starter was ended before it'}")
    return State(Status.CRASHED, f"its process ended by itself or was killed{': ' + words if words else ''}")
