"""What this site has to do about a machine that it follows, from a look at its log."""

import asyncio

from understudy.daemon.served import ServedEngine
from understudy.errors import StateFailed
from understudy.failover import deed as deeds
from understudy.failover.duty import Duty, Memory, Nothing, duty_of
from understudy.failover.stopped_file import read_stopped
from understudy.local.claims import is_ours, was_ours
from understudy.local.site import Site
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault


class Duties:
    """Of machines by their ids."""

    def __init__(self, engine: ServedEngine) -> None:
        self._engine = engine
        self._calm: set[str] = set()
        """Machines of which the last look found nothing to do."""
        self._doubts: dict[str, StateFailed] = {}

    async def look(self, machine: str, isolation: int) -> tuple[Vault, MachineLog, Duty]:
        """The log is some seconds old where requests cost money and nothing is to be done. `isolation`: seconds, 0 for none."""
        at, calm = clock(), machine in self._calm
        self._calm.discard(machine)
        vault, log = await self._engine.glanced(machine, calm=calm, isolation=isolation)
        duty = await self.of(vault, log)
        if not isinstance(duty, Nothing) and log.known_at < at:
            # What this host did in the meantime may be in the log by now: nothing is begun by an old one.
            vault, log, duty = await self.now(machine)
        if isinstance(duty, Nothing):
            self._calm.add(machine)
        return vault, log, duty

    async def now(self, machine: str) -> tuple[Vault, MachineLog, Duty]:
        vault, log = await self._engine.watched(machine)
        return vault, log, await self.of(vault, log)

    async def of(self, vault: Vault, log: MachineLog) -> Duty:
        site, state = self._engine.site, log.state
        self._doubts.pop(state.id, None)
        try:
            memory = await asyncio.to_thread(_remembered, vault.id, state, site)
        except StateFailed as error:
            if state.site == site.name:
                raise
            # Whatever it was here: another site has it, and it must not run here beside that.
            self._doubts[state.id] = error
            memory = Memory(ours=False, former=False)
        return duty_of(state, site.name, memory)

    def must_be_known(self, machine: str) -> None:
        """`StateFailed` if the last duty was found without what this host remembers."""
        if (doubt := self._doubts.get(machine)) is not None:
            raise doubt


def _remembered(vault_id: str, state: MachineState, site: Site) -> Memory:
    """Blocks."""
    directory = site.directory(vault_id, state.id)
    # By a failover of its own it knows only what is here.
    deed = deeds.read(directory) if state.site == site.name else None
    return Memory(
        ours=is_ours(vault_id, state, site),
        stopped=read_stopped(directory),
        taken=deed.id if deed is not None else "",
        former=was_ours(vault_id, state, site),
    )
