"""What an operation has of the site that it is done on."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from understudy.engine import OnProgress
from understudy.hypervisor.protocol import Addresses, Finding, Network
from understudy.local.standby.lending import Lent
from understudy.machine.definition import MachineDefinition
from understudy.replica.replicas import Replicas
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a point is started as, here. `addresses` by network card's address. A finding that fails forbids it."""

    definition: MachineDefinition
    networks: Mapping[str, Network] = field(default_factory=dict)
    addresses: Mapping[str, Addresses] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


class Lender(Protocol):
    """A machine's standby image on this site, for those who would start from it. Nothing that is wrong with it is in their way: then it is
    not lent, and the reason is said."""

    def still(self, log: MachineLog) -> AbstractAsyncContextManager[None]:
        """It stays at its point meanwhile, unless it is `brought` to another one."""
        ...

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        """The point that it holds, or is about to. `NotFound` without one."""
        ...

    async def brought(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str, progress: OnProgress) -> str:
        """If it is behind this point, and can be there soon, it is when this returns; else why not, in words. The run was not begun, and
        needs nothing that it was lent."""
        ...

    async def lend(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str) -> Lent:
        """If it holds this point, it stays as it is from here on, for this run. Idempotent."""
        ...

    async def take_back(self, vault: Vault, log: MachineLog, run: str) -> None:
        """The run needs it no more. Idempotent. What fails is done later."""
        ...


class FailoverSite(Protocol):
    """`machine`: a name or an id, of any machine of the vault."""

    @property
    def name(self) -> str: ...

    @property
    def replicas(self) -> Replicas: ...

    @property
    def lender(self) -> Lender: ...

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]: ...

    def own(self, vault: Vault, log: MachineLog) -> AbstractAsyncContextManager[Path]:
        """Be the only one on this host who works on the machine; gives its directory. Replication of it from here rests meanwhile."""
        ...

    async def is_ours(self, vault: Vault, log: MachineLog) -> bool:
        """Whether this site follows the machine, by its own claim."""
        ...

    async def prepare(self, vault: Vault, log: MachineLog, entry: PointEntry) -> Prepared:
        """Changes nothing."""
        ...

    async def forget_standby(self, vault: Vault, log: MachineLog, run: str, images: Mapping[str, str]) -> None:
        """Nobody needs these images of a standby any more, which the run was given: the machine has disks of its own here. Idempotent."""
        ...

    async def isolate(self, log: MachineLog, run: str, seconds: int) -> None:
        """From here on the run, which is followed, is paused when this site was cut off for so long, and the other sites go by that."""
        ...

    def waits(self, log: MachineLog) -> AbstractContextManager[Callable[[], bool]]:
        """While the primary's isolation is waited for; gives whether an operator has overruled that since."""
        ...

    async def give_addresses(self, run: str, addresses: Mapping[str, Addresses], *, agent: bool) -> Sequence[Finding]:
        """To the guest that runs, as far as it takes them."""
        ...

    async def fence(self, log: MachineLog) -> str:
        """Make sure that the primary does not run the machine, by whatever this site was given for it: what came of it, in words; empty
        if it was given nothing. `SourceUnavailable` if that failed."""
        ...

    async def follow(self, vault: Vault, log: MachineLog, directory: Path, run: str) -> None:
        """Replicate the machine from here on, by the sockets of its run. Claims its log."""
        ...
