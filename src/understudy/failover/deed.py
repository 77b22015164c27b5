"""What an operation on one machine has decided, on this host's disk before it is acted on: said again, it goes on from there."""

import secrets
import time
from pathlib import Path

import msgspec

from understudy.durable import read_record, write_record
from understudy.engine import FailoverMode, Look
from understudy.errors import Conflict, StateFailed
from understudy.hypervisor.protocol import Addresses
from understudy.replica.values import StartReplica

NAME = "failover.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Moved(Conflict):
    """The primary made a point after it was decided which one is the newest."""


class NotBegun(Conflict):
    """It was asked for, and the daemon ended before anything of it was on record: where the machine is may have changed since."""


class Deed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failover of one machine to this site, or back from it. Ids in hex, times in wall-clock ns unless they say otherwise."""

    id: str
    """That of its `failover` record."""
    mode: FailoverMode
    asked_at: int
    since: int = 0
    """The machine's epoch when it was begun: in any other it is not what was asked for."""
    wanted: str = ""
    """The point that was asked for; empty: the newest."""
    reason: str = ""
    force: bool = False
    request: str = ""
    """That of the request to the primary to shut down."""
    point: str = ""
    """What was decided on; empty: nothing yet. Epoch and order are decided with it."""
    epoch: int = 0
    site: str = ""
    """Where the machine is after it."""
    isolation: int = 0
    """Seconds after which the former primary has paused a machine that it may not run any more."""
    isolated: str = ""
    """Which site that is; empty: the primary before the failover."""
    processed: str = ""
    """The point that the standby held when it was asked for."""
    lent: str = ""
    """The run that the standby may have been lent for."""
    order: StartReplica | None = None
    addresses: dict[str, Addresses] = msgspec.field(default_factory=dict)
    findings: tuple[Look, ...] = ()
    left: str = ""
    """The run that it ends."""
    recorded: float = 0.0
    """When the log had its record, by the monotonic clock of `boot`; 0: not yet."""
    boot: str = ""
    running_at: int = 0
    done: bool = False
    """Whether it has ended, well or not."""
    standing: "Deed | None" = None
    """The failover by which the machine is here, until this one is in its place: one that came to nothing must not make us forget it."""

    @property
    def run(self) -> str:
        return self.order.run if self.order is not None else ""

    @property
    def below(self) -> dict[str, str]:
        return self.order.below if self.order is not None else {}


def new_deed(mode: FailoverMode, **fields: object) -> Deed:
    return msgspec.structs.replace(Deed(id=secrets.token_bytes(16).hex(), mode=mode, asked_at=time.time_ns()), **fields)


def after(last: Deed | None, mode: FailoverMode, **fields: object) -> Deed:
    """A change of the failover `last`, by which the machine is here. If it never ran, its former primary's time runs on."""
    if last is None:
        return new_deed(mode, **fields)
    if last.isolation and not last.running_at and not last.force:
        fields |= {"isolation": last.isolation, "isolated": last.isolated, "recorded": last.recorded, "boot": last.boot}
    return new_deed(mode, left=last.run, **fields)


def unended(machine: str, deed: Deed) -> Conflict:
    """Of one that was decided, and is in the way of another."""
    back = "take the whole failover back" if deed.mode == "change" else "take it back"
    hint = "say it again to go on" + ("" if deed.mode == "cancel" else f", or {back}: understudy failover cancel {machine}")
    return Conflict(f"a failover of {machine!r} ({deed.mode}) was begun here and has not ended", hint=hint)


def boot_id() -> str:
    """Of the clock that `recorded` is by."""
    try:
        return _BOOT.read_text().strip()
    except OSError as error:
        raise StateFailed(f"{_BOOT} cannot be read: {error.strerror}") from None


def read(directory: Path) -> Deed | None:
    """The last one; None if there was none. `StateFailed` if it cannot be read."""
    hint = "put it back from a copy, or move it away: `understudy status` says then what to do with what runs here"
    return read_record(directory / NAME, Deed, hint)


def write(directory: Path, deed: Deed) -> Deed:
    """Durable when it returns."""
    write_record(directory / NAME, deed)
    return deed
