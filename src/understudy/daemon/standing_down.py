"""A site that is a machine's primary no more: it does not run there, that is told, and what is left of it becomes a stand-in."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from understudy.daemon.duties import Duties
from understudy.daemon.isolation import BY_SIGNAL, Isolation
from understudy.daemon.machines import Machines
from understudy.daemon.runs_here import starved
from understudy.daemon.served import ServedEngine
from understudy.daemon.track import Track
from understudy.durable import sync_directory
from understudy.engine import Health, MachineSource, Progress, QemuSource, Reason
from understudy.errors import (
    Conflict,
    IntegrityError,
    InvalidRequest,
    NotFound,
    SourceBusy,
    SourceUnavailable,
    StateFailed,
    TargetFailed,
    UnderstudyError,
)
from understudy.failover.duty import Nothing, StandDown, standby_answered, standby_asked
from understudy.failover.reversal import images_at_home, reversed_images
from understudy.failover.stopped_file import write_stopped
from understudy.finish import finish
from understudy.hypervisor.protocol import Status
from understudy.local.machine_file import read_source, remove_source
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.standby.file import read_standby
from understudy.qemu import power
from understudy.qemu.image_locks import is_written
from understudy.qemu.listener import stopped
from understudy.qemu.session import QmpGone, QmpSession
from understudy.recovery.place import Place
from understudy.replica.earlier import end_earlier
from understudy.replica.replicas import Replicas
from understudy.vault import kinds
from understudy.vault.log.authority import UNPLANNED, Asked
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

AGAIN = 5.0
"""Seconds after which it is looked again whether a machine that must not run here does: its host, or a person, may start it."""
TRIED_AGAIN = 30.0
"""Seconds after which what could not become a stand-in is tried again: that may read whole images."""
GONE = "its VM does not run"
ENDED = "ended"


class StandingDown:
    """`halt` keeps the machine from being replicated, and says why."""

    def __init__(
        self,
        engine: ServedEngine,
        machines: Machines,
        replicas: Replicas,
        isolation: Isolation,
        duties: Duties,
        halt: Callable[[Track, Reason], None],
    ) -> None:
        self._engine = engine
        self._machines = machines
        self._replicas = replicas
        self._isolation = isolation
        self._duties = duties
        self._halt = halt
        self._looked: dict[str, float] = {}
        """When it was found last that a machine does not run here that must not, by the monotonic clock."""
        self._failed: dict[str, float] = {}
        """When it was that a machine could not become a stand-in, by the same clock."""
        self._homes: dict[str, tuple[bytes, Mapping[str, Place]]] = {}
        """Where machines' disks lie here, by the last point that was made here."""

    async def look(self, duty: StandDown, track: Track, vault: Vault, log: MachineLog) -> None:
        site = self._engine.site.name
        how = f"{'an' if duty.mode == UNPLANNED else 'a'} {duty.mode} failover" if duty.mode else "a failover"
        about = f"site {duty.site!r} is its primary since {how} (epoch {duty.epoch})"
        show = f"`understudy failover show {track.name}` tells how it stands"
        if track.halted is None or track.halted.code not in ("superseded", "split"):
            self._halt(track, _reason("superseded", f"{about}; it is being stopped here", show))
        now = time.monotonic()
        asked = standby_asked(log.state, site) if now - self._failed.get(track.id, -TRIED_AGAIN) >= TRIED_AGAIN else None
        if now - self._looked.get(track.id, -AGAIN) < AGAIN and asked is None:
            self._duties.must_be_known(track.id)
            return
        directory = self._engine.site.directory(vault.id, track.id)
        try:
            source = await asyncio.to_thread(read_source, directory)
        except StateFailed as error:
            hint = f"end by hand what runs of it here, since what that writes is lost, and remove the file; {show}"
            self._halt(track, _reason("split", f"{about}, and it may run here, too, where nobody can stop it: {error.message}", hint))
            raise
        if source is None:
            raise NotFound("it is not followed from here any more")
        async with self._machines.aside(track.id):
            # It may have come back here for a while, without being followed from that run.
            await end_earlier(self._replicas, track.id, self.run_of(source), duty.epoch)
            # What is to be stopped so is on record before it is, and may have been started anew since.
            by_signal = BY_SIGNAL in self._isolation.paused(track.id)
            if by_signal and isinstance(source, QemuSource) and await asyncio.to_thread(stopped, source.qmp):
                # To have it heard, it would have to run for a moment.
                running, words = False, "its QEMU process stands still, by a signal, since it was cut off: end it by hand"
            else:
                running, words = await self._stop(source, duty, ends=asked is not None)
                if words == GONE and not self.run_of(source):
                    # A person, or the host, may have started it otherwise than it was followed.
                    used = await self._used(track, vault, log)
                    running, words = bool(used), used or words
                if not running:
                    # Else its time runs on, and at its end the whole process is stopped: whoever waits for that starts it elsewhere.
                    await self._isolation.forget(track.id)
            if running:
                hint = f"it runs on two sites: stop it here at once, by hand, since what it writes here is lost; {show}"
                self._halt(track, _reason("split", f"{about}, and it runs here, too: {words}", hint))
            else:
                health: Health = "warning" if duty.orderly else "critical"
                self._halt(track, _reason("superseded", f"{about}; here {words}", f"do not start it here; {show}", health))
                self._looked[track.id] = now
            said = next((stood for stood in log.state.authority.stood if stood.site == site), None)
            told = said is not None and (said.epoch, said.running) == (duty.epoch, running)
            # Of what nobody knows, or another host of this name, nothing is said: a site that waits for it would believe it.
            if not told and duty.former and isinstance(source, QemuSource):
                fresh = await vault.find(track.id)
                await finish(fresh.append(kinds.StandDown(site=site, epoch=duty.epoch, running=running, text=words)))
            self._duties.must_be_known(track.id)
            if running or not duty.over or not duty.former:
                return
            if asked is not None:
                self._failed.pop(track.id, None)
                if not await self._become_stand_in(asked, track, vault, source):
                    return
            elif not standby_answered(log.state, site):
                return
            # Only now: by it its end is known to have been an orderly one.
            await asyncio.to_thread(write_stopped, directory, "")
            await asyncio.to_thread(remove_source, directory)
            await self._machines.leave(track.id)

    async def quiet(self, track: Track, vault: Vault) -> None:
        """What a machine ran from here before it was failed over to this site stands still."""
        now = time.monotonic()
        source = await asyncio.to_thread(read_source, self._engine.site.directory(vault.id, track.id))
        if not isinstance(source, QemuSource) or self.run_of(source) or now - self._looked.get(track.id, -AGAIN) < AGAIN:
            return
        async with self._machines.aside(track.id):
            try:
                session = await QmpSession.connect(source.qmp)
            except QmpGone:
                self._looked[track.id] = now
                return
            try:
                await power.pause(session)
                self._looked[track.id] = now
            finally:
                await session.close()

    async def stopped(self, track: Track, vault: Vault) -> Reason | None:
        """What was started here by a failover and is followed does not run. Nothing starts it by itself that has no process any more; one
        whose disk was full tries again, if it is this site's still."""
        source = await asyncio.to_thread(read_source, self._engine.site.directory(vault.id, track.id))
        run = self.run_of(source)
        if not run:
            return None
        vm = (await self._replicas.state(run)).vm
        if vm.status is Status.STORAGE_ERROR:
            reason = starved("it runs here since a failover", vm)
            # No cycle may take it for one that stands still while it is let go on.
            self._halt(track, reason)
            async with self._machines.aside(track.id):
                _, _, duty = await self._duties.now(track.id)
                if isinstance(duty, Nothing) and not self._isolation.paused(track.id):
                    await self._replicas.resume(run)
            return reason
        known = track.halted is not None and track.halted.code == ENDED
        if vm.alive or not (known or (track.failure is not None and track.failure.code == SourceUnavailable.code)):
            return None
        message = f"it runs here since a failover, and has ended: {vm.reason or vm.status.value}"
        return _reason(ENDED, message, f"understudy failover start {track.name}")

    async def _stop(self, source: MachineSource, duty: StandDown, *, ends: bool) -> tuple[bool, str]:
        """Whether it runs still, and what was found or done, in words. `ends`: its images are asked for, which its QEMU holds."""
        if not isinstance(source, QemuSource):
            return False, "it is followed as block devices: make sure yourself that no VM runs from them"
        try:
            session = await QmpSession.connect(source.qmp)
        except QmpGone:
            return False, GONE
        except SourceUnavailable as error:
            return True, f"its VM cannot be reached: {error.message}"
        try:
            paused = await power.pause(session)
            now = await power.status(session)
            if duty.over and duty.former and (ends or (duty.orderly and now == power.SHUT_DOWN)):
                await power.leave(session)
                return False, GONE
            if paused:
                return False, "its VM was running and was paused"
            return False, "its VM is paused" if now == "paused" else "its VM stands still"
        except UnderstudyError as error:
            return True, error.message
        finally:
            await session.close()

    async def _used(self, track: Track, vault: Vault, log: MachineLog) -> str:
        """Which of its disks somebody writes to, in words; empty if nobody does, or where they lie is not known."""
        entry = log.state.authority.failover
        if entry is None or entry.before != self._engine.site.name:
            return ""
        head, images = self._homes.get(track.id, (b"", {}))
        if head != entry.head:
            try:
                images = await images_at_home(vault, log, entry)
            except (NotFound, Conflict, IntegrityError):
                return ""
            self._homes[track.id] = (entry.head, images)
        if await self._follows(vault, log, images):
            return ""
        for name, place in images.items():
            if await asyncio.to_thread(is_written, place.path):
                return f"nothing listens at its QMP socket, but its disk {name} ({place.path}) is open for writing"
        return ""

    async def _become_stand_in(self, asked: Asked, track: Track, vault: Vault, source: MachineSource) -> bool:
        """False if it is not what this site was failed over from any more."""
        log = await vault.find(track.id)
        entry = log.state.authority.failover
        if entry is None or entry.before != self._engine.site.name:
            return False
        try:
            must_hold_the_recovery_key(vault)
            run = self.run_of(source)
            if run:
                # A machine that was here for a while only: nothing but its images is needed any more.
                await self._replicas.end(run, None)
                images = await asyncio.to_thread(_taken_out, self._replicas, run, self._engine.site.state / "standby" / run)
            else:
                images = await images_at_home(vault, log, entry)
            async with self._engine.standing.aside(track.id):
                if not await self._follows(vault, log, images):
                    await reversed_images(vault, log, self._engine.site, entry, images, _unheard)
            if run:
                await self._replicas.remove(run)
        except UnderstudyError as error:
            # What passes, and a VM that somebody has yet to end, is tried again; the rest is for a person to see to.
            self._failed[track.id] = time.monotonic()
            if isinstance(error, Conflict | StateFailed | TargetFailed | SourceBusy) or error.retryable:
                if asked.text != error.message:
                    await finish(log.append(kinds.Answer(id=asked.id, outcome="began", text=error.message)))
                raise
            hint = f" ({error.hint})" if error.hint else ""
            await finish(log.append(kinds.Answer(id=asked.id, outcome="failed", text=error.message + hint)))
            raise
        await finish(log.append(kinds.Answer(id=asked.id, outcome="done", text="its images follow from here on")))
        return True

    async def _follows(self, vault: Vault, log: MachineLog, images: Mapping[str, Place]) -> bool:
        """Whether these are the standby's already: it may have gone on since they were brought back."""
        directory = self._engine.site.directory(vault.id, log.machine_id)
        standby = await asyncio.to_thread(read_standby, directory)
        there = {name: Path(image.path) for name, image in standby.images.items()} if standby is not None else {}
        return there == {name: place.path.resolve() for name, place in images.items()}

    def run_of(self, source: MachineSource | None) -> str:
        """Which replica of this host the source is; empty if it is none."""
        if not isinstance(source, QemuSource):
            return ""
        run = Path(source.qmp).parent.name
        try:
            return run if str(self._replicas.sockets(run)[0]) == source.qmp else ""
        except InvalidRequest:
            return ""


def _reason(code: str, message: str, hint: str, health: Health = "critical") -> Reason:
    return Reason(code=code, health=health, message=message, hint=hint)


def _taken_out(replicas: Replicas, run: str, directory: Path) -> dict[str, Place]:
    """The replica's images, in a directory of their own. Repeatable."""
    places: dict[str, Place] = {}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, image in replicas.images(run).items():
        place = directory / image.name
        if not place.exists():
            image.rename(place)
        places[name] = Place(place, "qcow2")
    if not places:
        places = {path.name.removesuffix(".qcow2"): Place(path, "qcow2") for path in sorted(directory.glob("*.qcow2"))}
    sync_directory(directory)
    return places


def _unheard(_: Progress) -> None:
    """The answer tells when it is done."""
