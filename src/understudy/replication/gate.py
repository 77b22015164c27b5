"""Where the machines of a group wait for each other, so that there is one instant at which all of them stand still.

Each machine's image is what it was at any moment of its pause. All pauses have a moment in common, for none ends before the last one began
and every image was taken: that moment is the group's instant.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from understudy.errors import SourceUnavailable

PAUSE_LIMIT = 5.0
"""Seconds from the first machine's standstill until all go on, at most: a group that takes longer is given up."""


class Step(Enum):
    """What all machines must have reached before any goes on."""

    PREPARED = "get ready"
    READY = "get ready to be stopped"
    STOPPED = "stand still"
    FROZEN = "freeze its disks"


class Assembly:
    """One instant's meeting of all members. What breaks it for one breaks it for all, and nobody waits for ever."""

    def __init__(self, members: Collection[str], limit: float = PAUSE_LIMIT) -> None:
        self._missing = {step: set(members) for step in Step}
        self._met = {step: asyncio.Event() for step in Step}
        self._limit = limit
        self._until: float | None = None
        self.cause: BaseException | None = None
        """The first failure of any member, which is why all others failed."""
        self.culprit = ""

    def gate(self, member: str) -> "MemberGate":
        return MemberGate(self, member)

    def broken(self, member: str, cause: BaseException) -> None:
        """`member` cannot go on: whoever waits or comes goes away. Idempotent; the first cause stands."""
        if self.cause is None:
            self.cause, self.culprit = cause, member
            for met in self._met.values():
                met.set()

    async def arrive(self, step: Step, member: str) -> None:
        """Returns when all members have come so far; `SourceUnavailable` if one of them will not."""
        loop = asyncio.get_running_loop()
        if step is Step.STOPPED and self._until is None:
            self._until = loop.time() + self._limit
        self._missing[step].discard(member)
        if not self._missing[step]:
            self._met[step].set()
        try:
            async with asyncio.timeout_at(self._until):
                await self._met[step].wait()
        except TimeoutError:
            if slow := ", ".join(sorted(self._missing[step])):
                self.broken(slow, SourceUnavailable(f"it did not {step.value} within {self._limit:g} s", hint="is its host overloaded?"))
        if self.cause is not None:
            raise SourceUnavailable(f"the group's instant was given up because of {self.culprit}: {self.cause}") from self.cause


@dataclass(frozen=True, slots=True)
class MemberGate:
    """One member's side of an assembly: a `Gate`."""

    assembly: Assembly
    member: str

    async def prepared(self) -> None:
        await self.assembly.arrive(Step.PREPARED, self.member)

    async def ready(self) -> None:
        await self.assembly.arrive(Step.READY, self.member)

    async def stopped(self) -> None:
        await self.assembly.arrive(Step.STOPPED, self.member)

    async def frozen(self) -> None:
        await self.assembly.arrive(Step.FROZEN, self.member)

    def broken(self, cause: BaseException) -> None:
        self.assembly.broken(self.member, cause)
