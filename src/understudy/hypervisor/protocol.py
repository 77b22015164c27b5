"""What a failover needs of a host's hypervisor. The docstrings are the contract."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeAlias

from msgspec import Meta, Struct

from understudy.machine.definition import MachineDefinition


@dataclass(frozen=True, slots=True)
class NbdImage:
    """An export of a unix socket. `patience`: seconds for which requests wait for a server that went away and may come back."""

    socket: Path
    export: str
    patience: int = 60


@dataclass(frozen=True, slots=True)
class RawImage:
    """A file or a block device."""

    path: Path


@dataclass(frozen=True, slots=True)
class Qcow2Image:
    """A file; what lies under it is named in it."""

    path: Path


Image: TypeAlias = NbdImage | RawImage | Qcow2Image


@dataclass(frozen=True, slots=True)
class Overlay:
    """`path` takes all writes and is made if missing; `below` is only read. `size` in bytes: that of the disk."""

    path: Path
    below: Image
    size: int


DiskImage: TypeAlias = Image | Overlay


class Isolated(Struct, frozen=True, tag_field="kind", tag="isolated"):
    """A cable that leads nowhere."""


class UserNetwork(Struct, frozen=True, tag_field="kind", tag="user"):
    """QEMU's own: a guest behind address translation. `restricted`: it reaches nobody, and only `forwards` reach it.

    `forwards`: (port of 127.0.0.1, port of the guest).
    """

    restricted: bool = True
    forwards: tuple[tuple[int, int], ...] = ()


class Tap(Struct, frozen=True, tag_field="kind", tag="tap"):
    """An interface that exists already. `namespace`: the network namespace that it is in; all of a machine's are in one."""

    interface: str
    namespace: str = ""


class Bridge(Struct, frozen=True, tag_field="kind", tag="bridge"):
    """A bridge of this host that QEMU's helper may join (/etc/qemu/bridge.conf)."""

    name: str


Network: TypeAlias = Isolated | UserNetwork | Tap | Bridge
ISOLATED = Isolated()


Accelerator: TypeAlias = Literal["auto", "kvm", "tcg"]


@dataclass(frozen=True, slots=True)
class Host:
    """What a machine is given here: an image for each disk of its definition, and what each network card is joined to."""

    disks: Mapping[str, DiskImage]
    networks: Mapping[str, Network] = field(default_factory=dict)
    """By the card's name. A card that is not named is isolated."""
    seed: Path | None = None
    """An image that the guest sees as one more disk, and cannot write to: cloud-init's NoCloud."""
    accelerator: Accelerator = "auto"


class Status(Enum):
    ABSENT = "absent"
    """Never started under this name, or ended and forgotten."""
    STARTING = "starting"
    """There is a process, and its guest was not let go yet: starting it again goes on with it."""
    RUNNING = "running"
    PAUSED = "paused"
    STORAGE_ERROR = "storage-error"
    """Stands still since a disk failed or is full; `resume` tries again."""
    SHUT_DOWN = "shut-down"
    """By its guest, in order; the process is kept until `destroy`."""
    PANICKED = "panicked"
    """Its guest, or its processor in QEMU's eyes; the process is kept until `destroy`."""
    SILENT = "silent"
    """There is a process, and it does not answer."""
    ENDED = "ended"
    """By `destroy` or at the end of `shut_down`."""
    CRASHED = "crashed"
    """Nobody here ended it."""


OVER = frozenset({Status.ABSENT, Status.ENDED, Status.CRASHED})


@dataclass(frozen=True, slots=True)
class State:
    """`reason`: in words, where there is more to say."""

    status: Status
    reason: str = ""
    process: int = 0

    @property
    def alive(self) -> bool:
        """Whether there is a process that may write to its disks."""
        return self.status not in OVER


@dataclass(frozen=True, slots=True)
class Step:
    """One way that was tried to shut a guest down, and what came of it."""

    way: Literal["agent", "acpi", "force"]
    outcome: str
    seconds: float
    worked: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a guest is given to shut down after each way of asking; 0: this way is left out."""

    agent: float = 60.0
    acpi: float = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at before a start. `hint`: what to do, where it is not well."""

    what: str
    verdict: Literal["pass", "warn", "fail"]
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is on the machine's screen: a PNG, or the end of its serial console's text."""

    kind: Literal["png", "text"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Output:
    """What a program in a guest ended with; a status of -1: by a signal."""

    status: int
    output: str
    errors: str


class Addresses(Struct, frozen=True, kw_only=True):
    """What a network card is given in the guest: `addresses` with their prefix lengths, as 10.0.0.5/24; a gateway; name servers."""

    addresses: tuple[Annotated[str, Meta(pattern=r"\A[0-9a-fA-F.:]{2,45}/[0-9]{1,3}\Z")], ...]
    gateway: Annotated[str, Meta(pattern=r"\A[0-9a-fA-F.:]{0,45}\Z")] = ""
    servers: tuple[Annotated[str, Meta(pattern=r"\A[0-9a-fA-F.:]{2,45}\Z")], ...] = ()


Held: TypeAlias = Callable[[Path], Awaitable[None]]
"""What is done before a guest is let go, by the socket for whoever replicates the machine. More than once, if a start is repeated."""


class Hypervisor(Protocol):
    """Machines by `run`: a name that the caller chose once for one incarnation of one machine, and that is its lock on this host."""

    async def check(self, definition: MachineDefinition, host: Host) -> Sequence[Finding]:
        """Whether `start` would work, as far as that can be told without doing it. Changes nothing."""
        ...

    async def start(self, run: str, definition: MachineDefinition, host: Host, held: Held | None = None) -> State:
        """Its guest runs when this returns. A record is durable before there is a process, which outlives its starter.

        Repeatable: one that runs already under this name is left as it is, if it was started from the same; else `Conflict`. Never two.
        `held` is awaited while the guest stands still at its start; if it fails the guest stays so.
        """
        ...

    async def state(self, run: str) -> State:
        """As it is now, whoever started it, whenever. Changes nothing."""
        ...

    async def find(self) -> Mapping[str, State]:
        """Every run that this host knows of."""
        ...

    async def shut_down(self, run: str, patience: Patience) -> Sequence[Step]:
        """Ask the guest's agent, then press its power button, then end it. Afterwards there is no process. Idempotent."""
        ...

    async def destroy(self, run: str, reason: str = "") -> None:
        """No process when this returns. What the guest had not flushed is lost. Idempotent."""
        ...

    async def forget(self, run: str) -> None:
        """Remove what is kept of a run that has no process. `Conflict` if it has one. Disks are the caller's, and stay. Idempotent."""
        ...

    async def drain(self, run: str, disk: str, told: Callable[[int, int], None]) -> None:
        """The disk's overlay needs nothing below it any more, whatever becomes of this host, and what was below is not used any more.

        The guest runs on. `told` bytes done and in all. Said again after its caller was killed or gave up, it goes on.
        """
        ...

    async def pause(self, run: str) -> None:
        """The guest stands still. Idempotent."""
        ...

    async def resume(self, run: str) -> None:
        """And goes on. Idempotent."""
        ...

    def sockets(self, run: str) -> tuple[Path, Path]:
        """Of a machine that runs: the QMP socket for whoever replicates it, and its guest agent's."""
        ...

    async def picture(self, run: str) -> Picture:
        """Of a machine that has a process; the text of its console also afterwards."""
        ...

    async def console(self, run: str) -> bytes:
        """The last part of what the guest said on its serial port, bounded."""
        ...

    async def ping(self, run: str) -> None:
        """The guest's agent answers, or `SourceUnavailable`."""
        ...

    async def run_in_guest(self, run: str, command: Sequence[str], timeout: float) -> Output:
        """By the guest's agent, as its root. `SourceRefused` if it may not, `SourceUnavailable` if it is not done in time."""
        ...

    async def addresses(self, run: str) -> Mapping[str, tuple[str, ...]]:
        """What each network card has in the guest, with prefix lengths, by the card's own address; as the guest's agent says."""
        ...

    async def configure(self, run: str, mac: str, addresses: Addresses) -> None:
        """Give one network card its addresses, by the guest's agent, until the guest starts again."""
        ...
