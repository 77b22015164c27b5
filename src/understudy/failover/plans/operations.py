"""What a plan needs of those who know how one machine is brought up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from understudy.engine import PlanKind


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. `text`: why it failed; times in ns; `running_at`: when the guest ran, None if it does not."""

    ok: bool
    text: str = ""
    ended_at: int | None = None
    point: str = ""
    number: int = 0
    frozen_at: int | None = None
    running_at: int | None = None


class Operations(Protocol):
    """Everything raises `UnderstudyError`."""

    async def run(self, kind: PlanKind, machine: str, options: Mapping[str, Any], key: str) -> str:
        """Begin it, and give its job's id: durable when it returns. The same key gives the same job, however often it is said."""
        ...

    async def clean_up(self, machine: str, job: str, note: str, key: str) -> str:
        """Begin to remove what `job`, a test of the machine, has started, and give this job's id; as `run`. Nothing may be there of it."""
        ...

    async def outcome(self, job: str) -> Outcome | None:
        """None while it goes on."""
        ...

    async def cancel(self, job: str, actor: str) -> None:
        """`Conflict` where that is not safe (any more)."""
        ...


class Readiness(Protocol):
    async def check(self, kind: PlanKind, machine: str) -> Sequence[str]:
        """What would keep this machine from it, or is to be known before."""
        ...

    async def refusal(self, kind: PlanKind, machine: str) -> str:
        """Why it is not possible in the state that the machine is in; empty if it is."""
        ...
