"""What a site that follows a machine has to do about it beyond cycles: from the log and from what this host remembers. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

from understudy.failover.phase import SHUTDOWN, STANDBY
from understudy.vault.log.authority import CANCEL, Asked
from understudy.vault.log.state import MachineState


@dataclass(frozen=True, slots=True)
class Nothing:
    """Replicate."""


@dataclass(frozen=True, slots=True)
class ShutDown:
    """Another site asks for it."""

    request: Asked


@dataclass(frozen=True, slots=True)
class Wait:
    """The machine is shut down and its last point made: whoever asked goes on from there."""

    by: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """The shutdown was taken back: withdraw `final` if there is one, and let the machine run."""

    final: bytes


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The failover was cancelled: this site is the primary again, under a new epoch."""


@dataclass(frozen=True, slots=True)
class Taken:
    """This site is its primary by a failover, and does not replicate it yet."""

    committed: bool


@dataclass(frozen=True, slots=True)
class StandDown:
    """Another site is the primary. `orderly`: the machine was shut down here first; `over`: and that is accepted."""

    epoch: int
    site: str
    mode: str
    orderly: bool
    over: bool
    former: bool = True
    """Whether it was this host that the machine was failed over from: another one of its name says nothing for the site."""


Duty: TypeAlias = Nothing | ShutDown | Wait | GoOn | TakeBack | Taken | StandDown


@dataclass(frozen=True, slots=True)
class Memory:
    """What this host remembers of a machine. `ours`: by the newest claim of an epoch it was the primary of that epoch; `stopped`: it shut
    the machine down for a request, whose id this is (hex); `taken`: it made the failover with this id (hex)."""

    ours: bool
    stopped: str = ""
    taken: str = ""
    former: bool = True
    """Whether this host, and no other of its name, followed the machine last for this site."""


def duty_of(state: MachineState, site: str, memory: Memory) -> Duty:
    """Of a machine that is followed from here."""
    authority = state.authority
    entry = authority.failover
    if not memory.ours:
        if entry is None:
            return Nothing()  # taken over without a failover: its next cycle says so
        if entry.mode == CANCEL and state.site == site and not state.writer and memory.former:
            return TakeBack()
        if state.site == site and entry.id.hex() == memory.taken:
            # Another host may have the same name: it is its own failover that a site knows itself by.
            return Taken(bool(entry.committed))
        orderly = bool(memory.stopped) and entry.point == entry.head
        return StandDown(state.epoch, state.site, entry.mode, orderly, bool(entry.committed), memory.former)
    mine = [asked for asked in authority.requests if asked.site == site and asked.action == SHUTDOWN]
    wanted = next((asked for asked in mine if asked.open), None)
    if wanted is not None:
        return ShutDown(wanted)
    if authority.final:
        done = next((asked for asked in mine if asked.outcome == "done"), None)
        return Wait(done.by) if done is not None else GoOn(authority.final)
    return GoOn(b"") if memory.stopped else Nothing()


def standby_answered(state: MachineState, site: str) -> bool:
    """Whether this one keeps an image since it was asked to."""
    return any(asked.site == site and asked.action == STANDBY and asked.outcome == "done" for asked in state.authority.requests)


def standby_asked(state: MachineState, site: str) -> Asked | None:
    """Another site wants this one to keep an image of the machine."""
    return next((asked for asked in state.authority.requests if asked.open and asked.site == site and asked.action == STANDBY), None)
