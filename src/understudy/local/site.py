"""This site: its name, and where it remembers things."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from understudy.local.ownership import owned
from understudy.vault import names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.memory import Memory

DAEMON = "daemon"
"""Below the state directory: what the daemon keeps there, and owns while it runs."""


@dataclass(frozen=True, slots=True)
class Site:
    """`state` is the state directory, which several vaults share."""

    name: str
    state: Path

    def directory(self, vault_id: str, machine_id: str) -> Path:
        """What this host keeps of one machine; it may not exist yet."""
        return Memory.of(self.state, vault_id).log(names.machine(machine_id))

    def own(self, vault_id: str, log: MachineLog) -> AbstractContextManager[Path]:
        """Be the only process of this host that works on the machine; gives its directory, which exists then. `Busy` names the owner."""
        return owned(self.directory(vault_id, log.machine_id), log.state.name)
