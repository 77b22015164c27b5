"""The `qemu` hypervisor: each machine a process of its own, found again by its lock, its record and what it answers."""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from understudy.durable import state_directory, sync_directory
from understudy.errors import Busy, Conflict, SourceUnavailable, TargetFailed
from understudy.finish import finish
from understudy.hypervisor.protocol import Addresses, Finding, Held, Host, Output, Patience, Picture, State, Status, Step
from understudy.hypervisor.qemu import guest
from understudy.hypervisor.qemu import record as records
from understudy.hypervisor.qemu.arguments import PROGRAMS, Accelerator, Setting, arguments
from understudy.hypervisor.qemu.console import drained, picture
from understudy.hypervisor.qemu.device_arguments import namespace_of
from understudy.hypervisor.qemu.draining import Draining
from understudy.hypervisor.qemu.files import prepare
from understudy.hypervisor.qemu.launch import launch
from understudy.hypervisor.qemu.locks import guarded, held, taken
from understudy.hypervisor.qemu.places import Places, places_of
from understudy.hypervisor.qemu.process import RunProcess
from understudy.hypervisor.qemu.readiness import FILES_FROM, examine, files_allowed, kvm_refusal
from understudy.hypervisor.qemu.shutdown import shut_down
from understudy.machine.definition import MachineDefinition

DESTROYED = "destroyed"


class QemuHypervisor:
    """`root`: a directory of this site's own, the same after a restart.

    `files_from`: where a definition may name firmware and kernels, as the site says when it is asked.
    """

    def __init__(self, root: Path, files_from: Callable[[], Sequence[Path]] = lambda: FILES_FROM) -> None:
        self._root = root
        self._files_from = files_from

    async def check(self, definition: MachineDefinition, host: Host) -> Sequence[Finding]:
        with state_directory(self._root):
            await asyncio.to_thread(self._root.mkdir, mode=0o700, parents=True, exist_ok=True)
        return await examine(definition, host, self._files_from(), self._root)

    async def start(self, run: str, definition: MachineDefinition, host: Host, held: Held | None = None) -> State:
        places, program = places_of(self._root, run), PROGRAMS[definition.architecture]
        files_allowed(definition, self._files_from())
        namespace, accelerator = namespace_of(list(host.networks.values())), _accelerator(host)
        token = secrets.token_hex(8)
        command = arguments(definition, host, Setting(program, accelerator, places, token))
        # Without the token, which is another one each time.
        same = msgspec.json.encode(["" if token in word else word for word in command] + [namespace])
        record = records.Record(
            token=token,
            digest=hashlib.sha256(same).hexdigest(),
            command=tuple(command),
            boot=records.boot_id(),
            name=definition.name,
        )
        self._make(places)
        with guarded(places.guard, f"the run {run!r}"):
            return await finish(self._start(places, record, definition, host, namespace, held))

    async def state(self, run: str) -> State:
        return await RunProcess(places_of(self._root, run)).state()

    async def find(self) -> Mapping[str, State]:
        with state_directory(self._root):
            names = sorted(entry.name for entry in self._root.iterdir() if entry.is_dir()) if self._root.exists() else []
        states = await asyncio.gather(*(self.state(name) for name in names))
        return {name: state for name, state in zip(names, states, strict=True) if state.status is not Status.ABSENT}

    async def shut_down(self, run: str, patience: Patience) -> Sequence[Step]:
        places = self._known(run)
        if places is None:
            return ()
        with guarded(places.guard, f"the run {run!r}"):
            return await shut_down(RunProcess(places), patience)

    async def destroy(self, run: str, reason: str = "") -> None:
        places = self._known(run)
        if places is not None:
            with guarded(places.guard, f"the run {run!r}"):
                process = RunProcess(places)
                if process.alive:
                    await _last_text(places)
                await finish(process.end(reason or DESTROYED))

    async def forget(self, run: str) -> None:
        places = self._known(run)
        if places is None:
            return
        with guarded(places.guard, f"the run {run!r}"), state_directory(places.directory):
            if held(places.life):
                raise Conflict(f"the run {run!r} has a process", hint="shut it down or destroy it first")
            # The record last: without it the rest is nobody's.
            for entry in places.directory.iterdir():
                if entry not in (places.record, places.guard):
                    entry.unlink()
            places.record.unlink(missing_ok=True)
            shutil.rmtree(places.directory)
            sync_directory(self._root)

    async def drain(self, run: str, disk: str, told: Callable[[int, int], None]) -> None:
        await Draining(RunProcess(self._running(run)), disk, told).run()

    async def pause(self, run: str) -> None:
        async with RunProcess(self._running(run)).session() as session:
            await session.execute("stop")

    async def resume(self, run: str) -> None:
        async with RunProcess(self._running(run)).session() as session:
            await session.execute("cont")

    async def picture(self, run: str) -> Picture:
        return await picture(places_of(self._root, run))

    async def console(self, run: str) -> bytes:
        return await drained(places_of(self._root, run))

    async def ping(self, run: str) -> None:
        await guest.ping(self._running(run).agent)

    async def run_in_guest(self, run: str, command: Sequence[str], timeout: float) -> Output:
        return await guest.run(self._running(run).agent, command, timeout)

    async def addresses(self, run: str) -> Mapping[str, tuple[str, ...]]:
        return {card.mac: card.addresses for card in await guest.interfaces(self._running(run).agent)}

    async def configure(self, run: str, mac: str, addresses: Addresses) -> None:
        await guest.configure(self._running(run).agent, mac, addresses)

    def sockets(self, run: str) -> tuple[Path, Path]:
        """Of a machine that runs: the QMP socket for whoever replicates it, and its guest agent's."""
        places = places_of(self._root, run)
        return places.qmp, places.agent

    async def _start(
        self, places: Places, record: records.Record, definition: MachineDefinition, host: Host, namespace: str, before: Held | None
    ) -> State:
        process = RunProcess(places)
        if not await self._goes_on(process, record, definition.name):
            life = taken(places.life)
            if life is None:
                raise Busy(f"another process starts {definition.name!r} just now", hint="look at its state")
            try:
                await prepare(definition, host, places)
                records.write(places, record)
            finally:
                os.close(life)
            await launch(record.command[0], places, record.token, namespace=namespace)
            await process.appeared()
        await process.let_go(before)
        return await process.state()

    async def _goes_on(self, process: RunProcess, record: records.Record, name: str) -> bool:
        """Whether there is a process of this run already, which is the one that is wanted, and answers."""
        if not process.alive:
            return False
        old = records.read(process.places)
        if old is None or old.digest != record.digest:
            raise Conflict(f"{name!r} runs already, started from something else", hint="end it first")
        if old.ended:
            # An end that did not come off is not the reason of the next one.
            records.write(process.places, msgspec.structs.replace(old, ended=""))
        try:
            await process.appeared()
        except TargetFailed:
            # Found while it died: one that was killed holds its lock for as long as the kernel takes its memory down.
            if process.alive:
                raise
            return False
        return True

    def _make(self, places: Places) -> None:
        with state_directory(self._root):
            if not places.directory.exists():
                places.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                sync_directory(places.directory.parent)

    def _known(self, run: str) -> Places | None:
        places = places_of(self._root, run)
        return places if places.directory.exists() else None

    def _running(self, run: str) -> Places:
        places = places_of(self._root, run)
        if not held(places.life):
            raise Conflict(f"the run {run!r} has no process", hint="start it first")
        return places


async def _last_text(places: Places) -> None:
    try:
        await drained(places)
    except SourceUnavailable:
        # A machine that cannot be heard is ended all the same.
        return


def _accelerator(host: Host) -> Accelerator:
    if host.accelerator != "auto":
        return host.accelerator
    return "tcg" if kvm_refusal() else "kvm"
