"""What is known of one image file from QEMU's last hour with it to its next QEMU's first. Pure.

    held → closed → free ⇄ opening → opened        and from each: doubted

It ends as `opened`, by one known process, only if nobody can have written to it since QEMU closed it. That rests on this: who writes while
no QEMU has it lets go of it before one has it again, and the kernel tells of that. Others are found as well as they can be.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from understudy.source.file_facts import Facts, Process


class Stage(StrEnum):
    HELD = "held"
    """A QEMU alone has it open for writing."""
    CLOSED = "closed"
    """That has closed it. Not known yet: what it looks like."""
    FREE = "free"
    """Nobody has it open for writing, and `facts` would tell of any later write."""
    OPENING = "opening"
    """Somebody opened it. Not known yet: who, and whether for writing."""
    OPENED = "opened"
    """The process `by` has it open for writing, and did what was done since it was free."""
    DOUBTED = "doubted"


class Happening(StrEnum):
    OPEN = "open"
    WRITE = "write"
    CLOSE = "close"
    """By one that might have written."""
    LEAVE = "leave"
    """By one that only read."""
    LOST = "lost"
    """The kernel could not tell all, or cannot tell more."""


@dataclass(frozen=True, slots=True)
class State:
    stage: Stage
    path: str
    facts: Facts | None = None
    by: Process | None = None
    reason: str = ""
    """Why it is doubted."""
    stirred: bool = False
    """Somebody opened it since it was seen that only its QEMU has it for writing. If that one closed it since, the two closings may
    have been told as one, but for this: its QEMU opens it once more itself, to read, before it lets go of it."""

    def doubted(self, reason: str) -> "State":
        """The first reason counts."""
        return self if self.stage is Stage.DOUBTED else replace(self, stage=Stage.DOUBTED, reason=reason)


def after(state: State, happening: Happening) -> State:
    """What is known after the kernel told of something that happened to the file."""
    path = state.path
    if happening is Happening.LOST:
        return state.doubted(f"what happened to {path} cannot be told: it was deleted or unmounted, or too much happened")
    match state.stage, happening:
        case Stage.HELD, Happening.OPEN:
            return replace(state, stirred=True)
        case Stage.CLOSED, Happening.LEAVE:
            return replace(state, stirred=False)
        case Stage.HELD, Happening.CLOSE:
            return replace(state, stage=Stage.CLOSED)
        case Stage.CLOSED, Happening.OPEN:
            return state.doubted(f"{path} was opened again before it could be looked at")
        case Stage.FREE, Happening.OPEN:
            return replace(state, stage=Stage.OPENING)
        case (Stage.CLOSED | Stage.FREE | Stage.OPENING, Happening.CLOSE) | (Stage.CLOSED | Stage.FREE, Happening.WRITE):
            return state.doubted(f"somebody wrote to {path}")
        case Stage.OPENED, Happening.CLOSE:
            return state.doubted(f"somebody wrote to {path}, or the VM was started more than once")
        case _:
            return state
