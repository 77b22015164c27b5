"""Machines that run here since a failover, and are not replicated from here yet: nobody else looks at them."""

import asyncio
from collections.abc import Collection

from understudy.daemon.served import ServedEngine
from understudy.engine import Reason
from understudy.errors import StateFailed, UnderstudyError
from understudy.failover import deed as deeds
from understudy.finish import finish
from understudy.hypervisor.protocol import State, Status
from understudy.jobs.journal import Journal
from understudy.local.machine_file import read_source
from understudy.replica.naming import epoch_of
from understudy.replica.replicas import Replicas
from understudy.vault import kinds
from understudy.vault.log.state import MachineState

_STARTED_AGAIN = frozenset({Status.SHUT_DOWN, Status.PANICKED})


class RunsHere:
    """`reasons`: what there is to say of them, as of the last look."""

    def __init__(self, engine: ServedEngine, replicas: Replicas, journal: Journal) -> None:
        self._engine = engine
        self._replicas = replicas
        self._journal = journal
        self.reasons: tuple[Reason, ...] = ()

    async def look(self, followed: Collection[str]) -> str:
        """`followed`: ids of the machines that have looks of their own. What hindered it, in words: of one machine, it hinders no other."""
        found: list[Reason | None] = []
        troubles: list[str] = []
        replicas = await self._replicas.find()
        for run, error in replicas.unread.items():
            message = f"run {run}: it is not known whether its machine runs here: {error.message}"
            found.append(Reason(code="unread", health="critical", message=message, hint=error.hint))
            troubles.append(f"run {run}: {error.message}")
        for run, (order, now) in replicas.known.items():
            if not order.track:
                continue
            try:
                if not now.kept:
                    found.append(None if order.machine in followed else await self._look(run, order.machine, now.vm))
                elif now.vm.status is not Status.ABSENT or await self._replicas.needs_below(run):
                    # It was given up, and what that begins was not done to its end.
                    await self._replicas.keep(run)
            except UnderstudyError as error:
                troubles.append(f"run {run}: {error.message}")
                if isinstance(error, StateFailed):
                    found.append(Reason(code="unread", health="critical", message=troubles[-1], hint=error.hint))
        self.reasons = tuple(reason for reason in found if reason is not None)
        return "; ".join(troubles)

    async def _look(self, run: str, machine: str, vm: State) -> Reason | None:
        vault, log = await self._engine.glanced(machine)
        entry, directory = log.state.authority.failover, self._engine.site.directory(vault.id, machine)
        if entry is None or await asyncio.to_thread(read_source, directory) is not None:
            return None  # it is followed, or about to be: then its own look does what is to be done
        deed = await asyncio.to_thread(deeds.read, directory)
        known = [one for one in (deed, deed.standing if deed is not None else None) if one is not None]
        ours = next((one for one in known if one.run == run and one.id == entry.id.hex()), None)
        if ours is not None and vm.status is Status.STORAGE_ERROR:
            await self._replicas.resume(run)
            return starved(f"{log.state.name} was failed over to here", vm)
        if ours is not None:
            return _reason(log.state, vm, committed=bool(entry.committed)) if ours.running_at else None
        if (log.state.site, log.state.epoch) == (self._engine.site.name, epoch_of(run, machine)):
            # Under an epoch nothing is started but by the failover that the log has of it: this is the machine, whoever forgot it.
            message = f"{log.state.name} runs here since a failover, and what this host remembered of that is lost"
            hint = f"understudy protect {log.state.name} --qmp {self._replicas.sockets(run)[0]} --adopt"
            return Reason(code="unread", health="critical", message=message, hint=hint)
        # Another site may have taken it since. Said before it is kept: until then it is found again, however this ends.
        state, site = log.state, self._engine.site.name
        words = f"its run here was ended: site {state.site!r} is its primary since epoch {state.epoch}; what it wrote is kept aside"
        await self._replicas.end(run, None)
        if not any((stood.site, stood.epoch, stood.running) == (site, state.epoch, False) for stood in state.authority.stood):
            body = kinds.StandDown(site=site, epoch=state.epoch, running=False, text=words)
            await finish((await vault.find(machine)).append(body))
        await self._replicas.keep(run)
        self._journal.tell("failover.superseded", "error", f"{state.name}: {words}", machine=machine, data={"run": run})
        return None


def starved(about: str, vm: State) -> Reason:
    """Of one that is let go on each time that it is looked at."""
    hint = "free space where its disks are (`replicas` in the state directory), or mend that file system: it goes on by itself then"
    return Reason(code="starved", health="critical", message=f"{about}, and stands still: {vm.reason}", hint=hint)


def _reason(state: MachineState, vm: State, *, committed: bool) -> Reason:
    if vm.status is Status.RUNNING:
        message = f"{state.name} runs here since a failover, and is not replicated from here yet"
        hint = f"understudy {'reprotect' if committed else 'failover commit'} {state.name}"
        return Reason(code="failed-over", health="warning", message=message, hint=hint)
    again = not vm.alive or vm.status in _STARTED_AGAIN
    message = f"{state.name} was failed over to here, and does not run: {vm.reason or vm.status.value}"
    return Reason(code="ended", health="critical", message=message, hint=f"understudy failover {'start' if again else 'show'} {state.name}")
