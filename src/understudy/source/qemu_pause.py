"""A VM that stands still for a moment, and never for longer, whatever becomes of us.

Three nets: the lifeline lets it go on when we are killed or asleep; a new session, when the old one breaks; and a mark in the machine's
directory, when the lifeline was killed with us (a whole service was), tells the next start.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import SourceBusy, SourceUnavailable, StateFailed
from understudy.finish import finish
from understudy.qemu.lifeline import Armed, Lifeline, Order, qmp_lines
from understudy.qemu.session import QmpGone, QmpSession

DEADLINE = 10.0
"""Seconds after which the lifeline lets the VM go on."""
MARK = "paused"


@dataclass(slots=True)
class Pause:
    """`seconds` for which the VM stood still, known when it goes on; 0 for one that did not run."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pauser:
    """Stops one VM. `connected` gives its session, a new one where that is broken; `directory` is the machine's own."""

    connected: Callable[[], Awaitable[QmpSession]]
    lifeline: Lifeline
    directory: Path
    deadline: float = DEADLINE

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[Pause]:
        """The VM does not run in here, nor is a write of it under way; afterwards it runs if it did before.

        `SourceBusy` or `SourceUnavailable` at the end if that cannot be vouched for: whoever relied on it must not.
        """
        session = await self.connected()
        pause = Pause()
        if not await running(session):
            yield pause
            if await running(session):
                raise _disturbed()
            return
        lines, awaited = qmp_lines([("cont", {})])
        armed = await self.lifeline.arm(session.descriptor, Order(lines, awaited, deadline=self.deadline))
        began = time.monotonic()
        try:
            await asyncio.to_thread(_mark, self.directory)
            began = time.monotonic()
            await session.execute("stop")
            yield pause
        finally:
            stood, ended, fired = await finish(self._let_go(session, armed))
            pause.seconds = ended - began
        if fired:
            raise SourceUnavailable(f"the VM was let go on before its time: {fired}", hint="this host is overloaded, or was suspended")
        if stood is None:
            raise SourceUnavailable("QEMU closed the connection while its VM was paused", hint="the VM may have ended")
        if not stood:
            raise _disturbed()

    async def _let_go(self, session: QmpSession, armed: Armed) -> tuple[bool | None, float, str]:
        """Whether the VM still stood (None: not known), when it went on (monotonic seconds), and why the lifeline had let it, if so."""
        stood = None
        try:
            stood = await _resume(session)
            ended = time.monotonic()
            fired = await self.lifeline.disarm(armed)
        except SourceUnavailable:
            # The other process's share of a broken connection keeps QEMU from taking a new one.
            try:
                fired = await self.lifeline.disarm(armed)
            finally:
                await self._resume_anew()
            ended = time.monotonic()
        await asyncio.to_thread(_unmark, self.directory)
        return stood, ended, fired

    async def relieve(self) -> None:
        """Let a VM go on that a killed process left standing, and its lifeline too."""
        if await asyncio.to_thread((self.directory / MARK).exists):
            await self._resume_anew()
            await asyncio.to_thread(_unmark, self.directory)

    async def _resume_anew(self) -> None:
        try:
            await _resume(await self.connected())
        except QmpGone:
            # There is no VM any more.
            return
        except SourceUnavailable as error:
            hint = "the next cycle tries again; or let it go on yourself: `cont` in its monitor"
            raise SourceUnavailable(f"the VM was paused for its freeze and could not be let go on: {error.message}", hint=hint) from error


async def running(session: QmpSession) -> bool:
    return bool((await session.execute("query-status"))["running"])


async def _resume(session: QmpSession) -> bool:
    """Whether the VM stood still. Only one that a `stop` halted goes on: one that crashed, or waits for space, is not ours to wake."""
    state = await session.execute("query-status")
    if state["status"] == "paused":
        await session.execute("cont")
    return not state["running"]


def _disturbed() -> SourceBusy:
    return SourceBusy("somebody let the VM go on in the middle of its freeze", hint="who else manages this VM?")


def _mark(directory: Path) -> None:
    """Need not survive a power cut, which no VM does."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (directory / MARK).touch()
    except OSError as error:
        raise StateFailed(f"{directory}: {error.strerror}", hint="the state directory must be writable and not full") from error


def _unmark(directory: Path) -> None:
    try:
        (directory / MARK).unlink(missing_ok=True)
    except OSError as error:
        raise StateFailed(f"{directory / MARK}: {error.strerror}", hint="the state directory must be writable") from error
