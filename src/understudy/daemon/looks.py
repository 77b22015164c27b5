"""Machines' logs as they are looked at beside what is replicated."""

from understudy.scheduler.looking import WHOLE
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


class Looks:
    """`written` is the log that a machine's loop appends to, and so has read; None while no loop of ours has the machine. What is given
    back may be read, and refreshed, and nothing is done to `written`."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Vault, MachineLog]] = {}
        """By machine: what was read where `written` has not read it."""

    async def now(self, vault: Vault, machine: str, written: MachineLog | None) -> MachineLog:
        """As it is now: a few requests where nothing was appended."""
        log = self._known(vault, machine, written)
        if log is None:
            log = await vault.find(machine)
        elif log is not written:
            await log.refresh()
        elif await log.behind():
            log = await log.beside()
        else:
            return log.aside()
        self._seen[machine] = vault, log
        return log

    async def lately(self, vault: Vault, machine: str, written: MachineLog | None, seconds: float) -> MachineLog:
        """As it was so many seconds ago at most, which its `known_at` tells: one request at most where nothing was appended, but once in
        a while."""
        log = self._known(vault, machine, written)
        if log is None or await must_read_on(log, seconds):
            return await self.now(vault, machine, written)
        return log.aside()

    def _known(self, vault: Vault, machine: str, written: MachineLog | None) -> MachineLog | None:
        opened, seen = self._seen.get(machine, (None, None))
        if seen is None or opened is not vault or (written is not None and not seen.ahead_of(written)):
            self._seen.pop(machine, None)
            return written
        return seen


async def must_read_on(log: MachineLog, seconds: float) -> bool:
    """Whether to read on: it has grown, or nobody looked for long whether what was read is still there. One request, or none if what is
    known is no more than so many seconds old."""
    return clock() - log.whole_at >= WHOLE or (clock() - log.known_at >= seconds and await log.grew())
