"""Looks at the logs of this host's machines, for what other sites ask or have decided, and does what follows from it here."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from understudy.daemon.duties import Duties
from understudy.daemon.isolation import Isolation
from understudy.daemon.machines import Machines
from understudy.daemon.runs_here import RunsHere
from understudy.daemon.served import ServedEngine
from understudy.daemon.standing_down import StandingDown
from understudy.daemon.track import Track
from understudy.engine import MachineSource, Progress, QemuSource, Reason
from understudy.errors import (
    Fenced,
    InDoubt,
    NotFound,
    SecondWriter,
    SourceRefused,
    SourceUnavailable,
    StoreRefused,
    StoreUnavailable,
    UnderstudyError,
)
from understudy.failover import duty as duties
from understudy.failover.duty import Duty
from understudy.failover.stopped_file import read_stopped, write_stopped
from understudy.finish import finish
from understudy.jobs.journal import Journal
from understudy.local.claims import expect_claim
from understudy.local.machine_file import read_source
from understudy.qemu import power
from understudy.qemu.session import QmpGone, QmpSession
from understudy.replica.replicas import Replicas
from understudy.vault import kinds
from understudy.vault.log.authority import Asked
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

EVERY = 3.0
"""Seconds between two looks at a machine, and at its log: so long it takes until a site hears of another one, if it is not told otherwise.
Where requests cost money the log is not asked for each time, as long as nothing is going on: see `scheduler.looking`."""
AT_ONCE = 8
_UNTOLD = StoreUnavailable | StoreRefused | InDoubt | Fenced | SecondWriter
"""What cannot be told to anybody, or is not this site's to tell."""


class Sentinel:
    """`run` until cancelled; what is begun for a machine is done to its end, one thing at a time."""

    def __init__(self, engine: ServedEngine, machines: Machines, journal: Journal, replicas: Replicas, runs_here: RunsHere) -> None:
        self._replicas = replicas
        self._runs_here = runs_here
        self.isolation = Isolation(engine.site.state / "isolation", self._aside, journal)
        self._engine = engine
        self._duties = Duties(engine)
        self._standing_down = StandingDown(engine, machines, replicas, self.isolation, self._duties, self.halt)
        self._machines = machines
        self._journal = journal
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._troubles: dict[str, str] = {}
        self._faults: dict[str, str] = {}

    async def run(self) -> None:
        await asyncio.to_thread(self.isolation.load)
        isolation = asyncio.create_task(self.isolation.run(), name="isolation")
        try:
            while not isolation.done():
                await self._forget_departed()
                watching = self._looks.get("runs")
                if watching is None or watching.done():
                    self._begin("runs", self._watch_runs())
                # An export that cannot reach its store takes long to begin: nobody waits for that.
                mending = self._looks.get("")
                if mending is None or mending.done():
                    self._begin("", self._mend())
                for track in self._machines.tracks:
                    look = self._looks.get(track.id)
                    if look is not None and not look.done():
                        self._keep_contact(track)
                    else:
                        self._begin(track.id, self._look(track))
                await asyncio.sleep(EVERY)
            await isolation
        finally:
            isolation.cancel()
            await self.stop()

    def _begin(self, name: str, look: Coroutine[None, None, None]) -> None:
        self._looks[name] = asyncio.create_task(self._sound(name, look), name=f"sentinel {name or 'mending'}")

    async def _sound(self, name: str, look: Coroutine[None, None, None]) -> None:
        """A fault of ours in one look ends no other, and is heard of; once, since that look is begun again and again."""
        try:
            await look
            self._faults.pop(name, None)
        except Exception as error:
            # Whatever it is: the other looks keep machines from running twice, and must go on.
            words = f"a look at what runs here broke: {type(error).__name__}: {error}"
            if self._faults.get(name) != words:
                self._faults[name] = words
                self._journal.fault(words, error)

    async def _forget_departed(self) -> None:
        """A machine that is not followed any more is not isolated; before the vault was open once it is not known which are."""
        if self._machines.begun:
            for machine in set(self.isolation.machines) - {track.id for track in self._machines.tracks}:
                if not self.isolation.paused(machine):
                    await self.isolation.forget(machine)

    async def _watch_runs(self) -> None:
        try:
            self._trouble(await self._runs_here.look({track.id for track in self._machines.tracks}), "runs")
        except UnderstudyError as error:
            self._trouble(error.message, "runs")

    def _keep_contact(self, track: Track) -> None:
        """What takes long is no reason to take the vault for lost."""
        name = f"{track.id} contact"
        contact = self._looks.get(name)
        if self.isolation.knows(track.id) and not self.isolation.paused(track.id) and (contact is None or contact.done()):
            self._begin(name, self._contact(track))

    async def _contact(self, track: Track) -> None:
        with suppress(UnderstudyError):
            # The look itself tells what is wrong.
            vault, log, duty = await self._duties.look(track.id, self.isolation.after(track.id))
            if not isinstance(duty, duties.StandDown | duties.Taken):
                await self._in_contact(track, vault, log)

    @asynccontextmanager
    async def _aside(self, machine: str, reason: Reason) -> AsyncIterator[None]:
        self._machines.halt(machine, reason)
        async with self._machines.aside(machine):
            yield

    async def _mend(self) -> None:
        """What machines that run here are read from, as long as that is not on this host's disks."""
        try:
            found = await self._replicas.mend()
            for mended in found:
                if mended.words:
                    self._journal.tell("replica.mended", "warning", f"run {mended.run}: {mended.words}")
            self._trouble("; ".join(f"{mended.run}: {mended.failure.message}" for mended in found if mended.failure is not None))
        except UnderstudyError as error:
            self._trouble(error.message)

    def _trouble(self, words: str, look: str = "") -> None:
        """`look`: which it is of; mending has no name. Told once."""
        if words and self._troubles.get(look) != words:
            self._journal.tell("replica.trouble", "error", words)
        self._troubles[look] = words

    async def stop(self) -> None:
        looks = [look for look in self._looks.values() if not look.done()]
        for look in looks:
            look.cancel()
        if looks:
            await asyncio.wait(looks)

    async def _look(self, track: Track) -> None:
        try:
            async with self._slots:
                vault, log, duty = await self._duties.look(track.id, self.isolation.after(track.id))
            if not isinstance(duty, duties.StandDown | duties.Taken):
                await self._in_contact(track, vault, log)
            await self._do(duty, track, vault, log)
            self._troubles.pop(track.id, None)
        except UnderstudyError as error:
            # It is done again with the next look. Told once.
            if self._troubles.get(track.id) != error.message:
                self._troubles[track.id] = error.message
                data = {"code": error.code, "hint": error.hint}
                self._journal.tell("failover.trouble", "warning", f"{track.name}: {error.message}", machine=track.id, data=data)

    async def _in_contact(self, track: Track, vault: Vault, log: MachineLog) -> None:
        after = log.state.authority.isolation
        if not (after or self.isolation.knows(track.id)):
            return
        _, source = await self._source(vault, track.id)
        if not isinstance(source, QemuSource):
            return
        await self.isolation.seen(track.id, track.name, source.qmp, after, log.known_at)
        if self.isolation.paused(track.id):
            async with self._machines.aside(track.id):
                # It may have taken long until nobody else had it: what was true then need not be true now.
                vault, log, duty = await self._duties.now(track.id)
                if isinstance(duty, duties.StandDown | duties.Taken):
                    return
                await self.isolation.seen(track.id, track.name, source.qmp, log.state.authority.isolation, log.known_at)
                # One that was shut down in the meantime must not write past its last point, nor run before this site is known to have it.
                runs = isinstance(duty, duties.Nothing | duties.ShutDown) and not log.state.authority.final
                words = await self.isolation.go_on(track.id, runs=runs)
            message = f"{track.name} reaches the vault again and {words}"
            self._journal.tell("failover.reunited", "info", message, machine=track.id)

    async def _do(self, duty: Duty, track: Track, vault: Vault, log: MachineLog) -> None:
        match duty:
            case duties.Nothing():
                self.halt(track, await self._standing_down.stopped(track, vault))
            case duties.ShutDown(request):
                await self._shut_down(track, vault, request)
            case duties.Wait(by):
                if await self._was_started(track, vault):
                    return
                hint = f"the failover goes on at {by!r}; `understudy failover cancel {track.name}` lets it run here again"
                message = f"shut down for a planned failover to site {by!r}"
                self.halt(track, Reason(code="failing-over", health="warning", message=message, hint=hint))
            case duties.GoOn(final):
                await self._go_on(track, vault, final)
            case duties.TakeBack():
                await self._take_back(track, vault)
            case duties.Taken(committed):
                # What it ran from before that failover must not run beside it.
                await self._standing_down.quiet(track, vault)
                command = "reprotect" if committed else "failover commit"
                message = "failed over to this site, and not replicated from here yet"
                self.halt(track, Reason(code="failed-over", health="warning", message=message, hint=f"understudy {command} {track.name}"))
            case duties.StandDown():
                await self._standing_down.look(duty, track, vault, log)

    def halt(self, track: Track, reason: Reason | None) -> None:
        if reason is not None and (track.halted is None or track.halted.message != reason.message):
            message = f"{track.name}: {reason.message}"
            self._journal.tell(f"failover.{reason.code}", "warning", message, machine=track.id, data={"hint": reason.hint})
        self._machines.halt(track.id, reason)

    async def _shut_down(self, track: Track, vault: Vault, request: Asked) -> None:
        directory, source = await self._source(vault, track.id)
        _, log = await self._engine.log_of(track.id)
        if not isinstance(source, QemuSource):
            text = "it is followed as block devices, and no VM is known that could be shut down"
            await finish(log.append(kinds.Answer(id=request.id, outcome="failed", text=text)))
            return
        final = log.state.authority.final
        if final:
            # Its last point was made, and this was not said any more.
            await finish(log.append(kinds.Answer(id=request.id, outcome="done", text="shut down; its last point is made")))
            return
        if not await asyncio.to_thread(read_stopped, directory):
            await self._tell(log, request, "brings the vault up to date")
            # What can be sent while the guest runs needs not be sent while it does not.
            with suppress(UnderstudyError):
                await self._machines.cycle(track.id, False, _unheard)
            await asyncio.to_thread(write_stopped, directory, request.id.hex())
        message = f"shuts down for a planned failover to site {request.by!r}"
        hint = f"`understudy failover cancel {track.name}` takes it back"
        self.halt(track, Reason(code="failing-over", health="warning", message=message, hint=hint))
        try:
            async with self._machines.aside(track.id):
                _, _, now = await self._duties.now(track.id)
                if not isinstance(now, duties.ShutDown) or now.request.id != request.id or self.isolation.paused(track.id):
                    # Taken back, as sending may have taken long; or cut off meanwhile: it goes on first, so that its guest ends by itself.
                    return
                session = await QmpSession.connect(source.qmp)
                try:
                    words = await power.shut_down(
                        session, source.agent, power.Patience(), partial(self._tell, log, request), force=request.force
                    )
                finally:
                    await session.close()
                await self._tell(log, request, f"{words}; its last changes are sent")
                async with self._engine.final_cycle(track.id) as opened:
                    await opened.final_cycle(_unheard)
                    await finish(opened.log.append(kinds.Answer(id=request.id, outcome="done", text=words)))
        except UnderstudyError as error:
            await log.refresh()
            passes = error.retryable and not isinstance(error, SourceRefused | SourceUnavailable)
            if passes or log.state.authority.final or isinstance(error, _UNTOLD):
                raise
            await finish(log.append(kinds.Answer(id=request.id, outcome="failed", text=error.message)))
            # It goes on by itself: the next look finds that nobody wants it shut down any more.

    async def _tell(self, log: MachineLog, request: Asked, text: str) -> None:
        """Each word once, however often it is begun again."""
        await log.refresh()
        asked = next((one for one in log.state.authority.requests if one.id == request.id), request)
        if not asked.open or asked.text == text:
            return
        await finish(log.append(kinds.Answer(id=request.id, outcome="began", text=text)))

    async def _go_on(self, track: Track, vault: Vault, final: bytes) -> None:
        directory, source = await self._source(vault, track.id)
        _, log = await self._engine.log_of(track.id)
        async with self._machines.aside(track.id):
            # It may have taken long until nobody else had it: another site may be the primary by now.
            if not isinstance((await self._duties.now(track.id))[2], duties.GoOn):
                return
            if final:
                # First: whoever was about to fail over to this point finds that it is not the last.
                await finish(log.append(kinds.Withdraw(point=final)))
            words = await self._power_on(source)
            await asyncio.to_thread(write_stopped, directory, "")
        self._machines.halt(track.id, None)
        message = f"{track.name} runs on here: its shutdown was taken back" + (f"; it {words}" if words else "")
        self._journal.tell("failover.taken-back", "info", message, machine=track.id)

    async def _was_started(self, track: Track, vault: Vault) -> bool:
        """Whether it runs all the same, since somebody started it here by hand: then its last point is not the last any more."""
        _, source = await self._source(vault, track.id)
        if not isinstance(source, QemuSource) or not await power.runs(source.qmp):
            return False
        async with self._machines.aside(track.id):
            _, log, duty = await self._duties.now(track.id)
            if isinstance(duty, duties.Wait):
                await finish((await vault.find(track.id)).append(kinds.Withdraw(point=log.state.authority.final)))
                message = f"{track.name} was started here though it was shut down for a planned failover: that is given up"
                self._journal.tell("failover.taken-back", "warning", message, machine=track.id)
        return True

    async def _take_back(self, track: Track, vault: Vault) -> None:
        directory, source = await self._source(vault, track.id)
        async with self._machines.aside(track.id):
            log = await vault.find(track.id)
            # Once it is claimed nobody is asked any more: that the machine is to run again is known by this then.
            await asyncio.to_thread(write_stopped, directory, f"{log.state.epoch:032x}")
            await asyncio.to_thread(partial(expect_claim, vault.id, log, self._engine.site, adopt=True))
            await finish(log.claim(self._engine.site.name))
            words = await self._power_on(source)
            await asyncio.to_thread(write_stopped, directory, "")
        self._machines.halt(track.id, None)
        message = f"{track.name} is at this site again: its failover was cancelled" + (f"; it {words}" if words else "")
        self._journal.tell("failover.taken-back", "info", message, machine=track.id)

    async def _power_on(self, source: MachineSource) -> str:
        if not isinstance(source, QemuSource):
            return ""
        try:
            session = await QmpSession.connect(source.qmp)
        except QmpGone:
            return "has no QEMU any more: start it as you always do"
        try:
            return await power.go_on(session)
        finally:
            await session.close()

    async def _source(self, vault: Vault, machine: str) -> tuple[Path, MachineSource]:
        directory = self._engine.site.directory(vault.id, machine)
        source = await asyncio.to_thread(read_source, directory)
        if source is None:
            raise NotFound("it is not followed from here any more")
        return directory, source


def _unheard(_: Progress) -> None:
    """Nobody watches this cycle; its point is told of by its follower or in the answer."""
