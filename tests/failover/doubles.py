"""What outlives a site's daemon, without QEMU and images; and a fuse that ends the daemon at one of its effects."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy import engine
from understudy.errors import TargetFailed
from understudy.hypervisor import protocol
from understudy.hypervisor.protocol import Status
from understudy.local.standby.lending import Lent
from understudy.replica.values import Found, StartReplica, State
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

LAST = b"\xff" * 16


class Killed(BaseException):
    """What no code may catch and go on."""


@dataclass
class Fuse:
    """Burns down with every effect, and ends the program at one of them: before it, or after."""

    left: int
    spent: int = 0

    def burn(self) -> None:
        self.spent += 1
        self.left -= 1
        if self.left == 0:
            raise Killed

    def around(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def burning(*args: Any, **given: Any) -> Any:
            self.burn()
            found = await function(*args, **given)
            self.burn()
            return found

        return burning


@dataclass
class Host:
    """What of site b outlives its daemon: what runs, and what was ever started."""

    runs: dict[str, StartReplica] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    drained: set[str] = field(default_factory=set)
    starts: list[str] = field(default_factory=list)
    followed: str = ""
    standby: int = 0
    """The point that its standby image holds; 0: it has none."""
    broken: bool = False
    """Nothing starts from that image."""
    lent: str = ""


class Replicas:
    """As the real ones, without QEMU. `burn` is asked around each effect."""

    def __init__(self, host: Host, fuse: Fuse, root: Path) -> None:
        self.host, self._fuse, self._root = host, fuse, root
        self.burn = fuse.burn

    async def start(self, order: StartReplica, progress: engine.OnProgress) -> State:
        self._fuse.burn()
        known = self.host.runs.setdefault(order.run, order)
        if order.run not in self.host.starts:
            known = self.host.runs[order.run] = order
        assert known == order
        assert order.run not in self.host.kept
        assert not order.below or (self.host.lent, order.point) == (order.run, point_of(self.host.standby))
        if order.below and self.host.broken:
            raise TargetFailed("it cannot be opened")
        if order.run not in self.host.alive:
            self.host.alive.add(order.run)
            self.host.starts.append(order.run)
        self._fuse.burn()
        return State(protocol.State(Status.RUNNING), ())

    async def state(self, run: str) -> State:
        return State(protocol.State(Status.RUNNING), (), begun=run in self.host.starts)

    async def end(self, run: str, patience: object) -> Sequence[protocol.Step]:
        self._fuse.burn()
        self.host.alive.discard(run)
        self._fuse.burn()
        return ()

    async def keep(self, run: str) -> Path:
        self._fuse.burn()
        assert run not in self.host.alive
        self.host.kept.add(run)
        self._fuse.burn()
        return self._root

    async def find(self) -> Found:
        nothing = protocol.State(Status.ENDED)
        return Found({run: (order, State(nothing, (), kept=run in self.host.kept)) for run, order in self.host.runs.items()}, {})

    async def drain(self, run: str, progress: engine.OnProgress) -> None:
        self._fuse.burn()
        self.host.drained.add(run)
        self._fuse.burn()


@dataclass
class Lender:
    """As the real one, without images."""

    host: Host
    burn: Callable[[], None]

    @asynccontextmanager
    async def still(self, log: MachineLog) -> AsyncIterator[None]:
        yield

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        return next(entry for entry in log.state.points if entry.point.id.hex() == point_of(self.host.standby))

    async def brought(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str, progress: engine.OnProgress) -> str:
        self.burn()
        if self.host.lent == run:
            self.host.lent = ""
        wanted = next(number for number in range(1, 9) if point_of(number) == entry.point.id.hex() or number == 8)
        if self.host.lent or not 0 < self.host.standby <= wanted:
            return "it is of no use" if self.host.standby else ""
        self.host.standby = wanted
        self.burn()
        return ""

    async def lend(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str) -> Lent:
        if self.host.lent not in ("", run) or point_of(self.host.standby) != entry.point.id.hex():
            return Lent()
        self.burn()
        self.host.lent = run
        self.burn()
        return Lent({"vda": "/vda.raw"})

    async def take_back(self, vault: Vault, log: MachineLog, run: str) -> None:
        self.burn()
        if self.host.lent == run:
            self.host.lent = ""
        self.burn()


def point_of(number: int) -> str:
    """The last one that a primary makes has no number."""
    return (LAST if number == 8 else bytes([number]) * 16).hex()
