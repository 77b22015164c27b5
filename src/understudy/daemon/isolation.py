"""Machines that are paused when their host is cut off from the vault, since another site may start them then.

What is needed for that is on this host's disk, so that a daemon which starts while the vault is away goes on with it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file, state_directory
from understudy.engine import Reason
from understudy.errors import UnderstudyError
from understudy.finish import finish_in_thread
from understudy.jobs.journal import Journal
from understudy.qemu import power
from understudy.qemu.listener import listener
from understudy.qemu.session import QmpGone, QmpSession
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog

EVERY = 1.0
AGAIN = 5.0
PROMPT = 8.0
"""Seconds that a cycle which is given up, and QEMU, have. Where neither helps, the whole process is stopped."""
HELD = 2.0
"""Seconds for the monitor that a cycle has in its hands, after that."""
NOTED = 2.0
"""Seconds for the record of a pause, which is not waited for any longer."""
BY_QMP, BY_SIGNAL = "qmp", "signal"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Cut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One machine. `contact`: when its log was read last, in seconds of this `boot`, sleep included."""

    machine: str
    name: str
    qmp: str
    after: int
    contact: float
    boot: str
    paused: str = ""
    """How, once that is about to be done: `BY_QMP`, `BY_SIGNAL` to QEMU's process, or both; empty: it is not. What stood still already is
    not ours to let go on."""


Aside = Callable[[str, Reason], AbstractAsyncContextManager[None]]
"""Halt a machine (its id), and have it for oneself."""


class Isolation:
    """`directory`: of this site's own."""

    def __init__(self, directory: Path, aside: Aside, journal: Journal) -> None:
        self._directory = directory
        self._aside = aside
        self._journal = journal
        self._boot = _BOOT.read_text().strip()
        self._cuts: dict[str, Cut] = {}
        self._written: dict[str, float] = {}
        self._pausing: dict[str, asyncio.Task[None]] = {}
        self._tried: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        """By machine: why it could not be paused, since its log was read last."""
        self._armed: dict[str, float] = {}
        """Machines whose logs are about to say that they are isolated, or were not looked at since: by when (`clock`) it was said."""
        self._turn = asyncio.Lock()
        self._noting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. After `load`."""
        try:
            while True:
                for cut in list(self._cuts.values()):
                    busy = self._pausing.get(cut.machine)
                    # Also one that was paused: somebody may have let it go on, or started it anew.
                    again = clock() - self._tried.get(cut.machine, -AGAIN) > AGAIN
                    if again and self._over(cut) and (busy is None or busy.done()):
                        self._tried[cut.machine] = clock()
                        self._pausing[cut.machine] = asyncio.create_task(self._pause(cut), name=f"isolate {cut.machine}")
                await asyncio.sleep(EVERY)
        finally:
            for task in self._pausing.values():
                task.cancel()

    def knows(self, machine: str) -> bool:
        return machine in self._cuts

    def after(self, machine: str) -> int:
        """Seconds; 0: it is not isolated."""
        cut = self._cuts.get(machine)
        return cut.after if cut is not None else 0

    @property
    def machines(self) -> list[str]:
        """But for those that are about to be followed."""
        return [machine for machine in self._cuts if machine not in self._armed]

    def paused(self, machine: str) -> str:
        cut = self._cuts.get(machine)
        return cut.paused if cut is not None else ""

    async def seen(self, machine: str, name: str, qmp: str, after: int, at: float) -> None:
        """The machine's log was read, from `at` on (`clock`), and this site is its primary."""
        self._troubles.pop(machine, None)
        known = self._cuts.get(machine)
        if known is not None and at < self._armed.get(machine, 0.0):
            # What was read then does not tell yet what is about to be said.
            after = min(after or known.after, known.after)
        else:
            self._armed.pop(machine, None)
        if not after:
            if known is not None and not known.paused:
                await self.forget(machine)
            elif known is not None:
                self._cuts[machine] = msgspec.structs.replace(known, after=0, contact=at, boot=self._boot)
            return
        cut = Cut(machine=machine, name=name, qmp=qmp, after=after, contact=at, boot=self._boot, paused=known.paused if known else "")
        self._cuts[machine] = cut
        same = known is not None and (known.after, known.qmp, known.paused) == (cut.after, cut.qmp, cut.paused)
        # A restarted daemon that knows of an older contact pauses sooner, never later.
        if not same or at - self._written.get(machine, 0.0) > after / 4:
            await self._put(cut)

    @asynccontextmanager
    async def arm(self, log: MachineLog, qmp: str, after: int) -> AsyncIterator[None]:
        """While the log comes to say `after`, which others go by from then on: this host may be cut off before it looks at it again. What
        the log says until then counts as long as it is less."""
        known = self.after(log.machine_id)
        if after and (not known or after <= known):
            await self.seen(log.machine_id, log.state.name, qmp, after, log.known_at)
            self._armed[log.machine_id] = float("inf")
        try:
            yield
        finally:
            if log.machine_id in self._armed:
                self._armed[log.machine_id] = clock()

    async def forget(self, machine: str) -> None:
        """This site is not its primary any more, or it is not isolated."""
        if self._cuts.pop(machine, None) is not None:
            async with self._turn:
                await finish_in_thread(partial(remove, self._path(machine)))

    async def go_on(self, machine: str, *, runs: bool = True) -> str:
        """The vault is there again, and this site is its primary still. What was done, in words. The caller has the machine for itself.

        `runs`: it is to run here now; else that is somebody else's to decide, who finds its QEMU answering.
        """
        cut = self._cuts[machine]
        if BY_SIGNAL in cut.paused and (pid := listener(cut.qmp)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        words = await _set_going(cut) if runs else "is left as it was shut down"
        if not cut.after:
            await self.forget(machine)
            return words
        self._cuts[machine] = msgspec.structs.replace(cut, paused="")
        await self._put(self._cuts[machine])
        return words

    def _over(self, cut: Cut) -> bool:
        # Of another boot it is not known how long that was away, nor what has happened since.
        return cut.after > 0 and (cut.boot != self._boot or clock() - cut.contact >= cut.after)

    async def _pause(self, cut: Cut) -> None:
        message = f"cut off from the vault for {cut.after} s: paused here, since another site may start it"
        reason = Reason(code="isolated", health="critical", message=message, hint="it goes on by itself when the vault is there again")
        if not await self._by_qmp(cut, reason) and not await self._by_held(cut):
            await self._by_signal(cut)
        if not cut.paused and (how := self.paused(cut.machine)):
            self._journal.tell("failover.isolated", "error", f"{cut.name}: {message}", machine=cut.machine, data={"how": how})

    async def _by_qmp(self, cut: Cut, reason: Reason) -> bool:
        """Whether it stands still, also if that is not of our making."""
        try:
            async with asyncio.timeout(PROMPT), self._aside(cut.machine, reason):
                session = await QmpSession.connect(cut.qmp)
                try:
                    await self._stop(session, cut)
                    return True
                finally:
                    await session.close()
        except (TimeoutError, UnderstudyError):
            return False

    async def _by_held(self, cut: Cut) -> bool:
        """A store that hangs holds a cycle, and with it the VM's only monitor: that is ours. The cycle was given up, and has let go by now
        of a VM that it had paused itself."""
        try:
            async with asyncio.timeout(HELD):
                session = QmpSession.held(cut.qmp)
                if session is None:
                    return False
                await self._stop(session, cut)
                return await power.status(session) != power.RUNNING
        except (TimeoutError, UnderstudyError):
            return False

    async def _stop(self, session: QmpSession, cut: Cut) -> None:
        if self._is_cut_off(cut.machine) and await power.status(session) == power.RUNNING:
            await self._intend(cut, BY_QMP)
            await power.pause(session)

    def _is_cut_off(self, machine: str) -> bool:
        """Still: the vault may have come back while the machine was waited for."""
        cut = self._cuts.get(machine)
        return cut is not None and self._over(cut)

    async def _by_signal(self, cut: Cut) -> None:
        if not self._is_cut_off(cut.machine):
            return
        # Not in a thread: a vault on a file system that hangs may have all of them.
        pid = listener(cut.qmp)
        if pid is None:
            self._cannot(cut, f"it cannot be seen which process listens at {cut.qmp}")
        elif pid:
            await self._intend(cut, BY_SIGNAL)
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                return
            except PermissionError as error:
                self._cannot(cut, f"process {pid}: {error.strerror}")

    def _cannot(self, cut: Cut, why: str) -> None:
        """Told once, though it is tried again and again."""
        if self._troubles.get(cut.machine) != why:
            self._troubles[cut.machine] = why
            self._journal.tell("failover.trouble", "error", f"{cut.name} cannot be paused: {why}", machine=cut.machine)

    async def _intend(self, cut: Cut, how: str) -> None:
        """On record before it is done: whoever sees the vault next lets it go on, even if nobody wants it paused any more by now. A disk
        that does not take the record is no reason to let it run."""
        known = self._cuts.get(cut.machine) or msgspec.structs.replace(cut, after=0)
        if how in known.paused:
            return
        self._cuts[cut.machine] = known = msgspec.structs.replace(known, paused=f"{known.paused} {how}".strip())
        note = asyncio.create_task(self._note(known), name=f"isolate {cut.machine}: note")
        self._noting.add(note)
        note.add_done_callback(self._noting.discard)
        await asyncio.wait({note}, timeout=NOTED)

    async def _note(self, cut: Cut) -> None:
        try:
            await self._put(cut)
        except UnderstudyError as error:
            message = f"that {cut.name} is paused cannot be noted, and a restarted daemon would leave it so: {error.message}"
            self._journal.tell("failover.trouble", "error", message, machine=cut.machine, data={"hint": error.hint})

    async def _put(self, cut: Cut) -> None:
        async with self._turn:
            await finish_in_thread(partial(replace_file, self._path(cut.machine), msgspec.json.encode(cut)))
        self._written[cut.machine] = cut.contact

    def _path(self, machine: str) -> Path:
        return self._directory / f"{machine}.json"

    def load(self) -> None:
        """What an earlier daemon left: before anything is `seen`. Blocks."""
        with state_directory(self._directory):
            paths = sorted(self._directory.glob("*.json"))
        for path in paths:
            try:
                cut = msgspec.json.decode(path.read_bytes(), type=Cut)
            except (OSError, msgspec.MsgspecError) as error:
                # Nothing is let go on by it, and no other machine is left alone for it.
                data = {"hint": "see whether its VM is paused since, and let it go on by hand where it is to run"}
                self._journal.tell("failover.trouble", "error", f"{path} cannot be read: {error}", machine=path.stem, data=data)
                continue
            self._cuts.setdefault(cut.machine, cut)


async def _set_going(cut: Cut) -> str:
    try:
        session = await QmpSession.connect(cut.qmp)
    except QmpGone:
        return "has no QEMU any more"
    try:
        return await power.go_on(session) if BY_QMP in cut.paused else "goes on"
    finally:
        await session.close()
