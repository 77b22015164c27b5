"""A guest's file systems frozen by its agent, for a bounded time, and always thawed: by this process, or by the lifeline's."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import SourceUnavailable, UnderstudyError
from understudy.qemu.agent import AgentGone, AgentRefused, GuestAgent, thaw_lines
from understudy.qemu.lifeline import Armed, Lifeline, Order

LIMIT = 10.0
"""Seconds for which file systems may stay frozen; Windows thaws its own after as many."""
ANSWER = 5.0
"""Seconds in which an agent that is there answers."""
LONGEST = 500
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """An agent that was told to freeze, until it has said that it thawed."""

    agent: GuestAgent
    armed: Armed
    since: float


class AgentFreeze:
    """One guest's. Methods that return words say why not, in words fit for a record; empty: it is so."""

    def __init__(self, limit: float = LIMIT, answer: float = ANSWER) -> None:
        self._limit = limit
        self._answer = answer
        self._line = Lifeline()
        self._hold: _Hold | None = None

    @property
    def owed(self) -> bool:
        """Whether file systems may be frozen by us."""
        return self._hold is not None

    async def greet(self, path: Path) -> str:
        """Whether an agent answers."""
        try:
            agent = GuestAgent.connect(str(path))
            try:
                await agent.execute("guest-ping", self._answer)
            finally:
                agent.close()
        except UnderstudyError as error:
            return words(error.message)
        return ""

    async def begin(self, path: Path) -> str:
        """Freeze. Call `thaw` afterwards whatever this says or raises."""
        try:
            return await self._begin(path)
        except UnderstudyError as error:
            return words(error.message)

    async def _begin(self, path: Path) -> str:
        agent = GuestAgent.connect(str(path))
        try:
            if await agent.frozen(self._answer):
                return "the guest's file systems were frozen already, by somebody else"
            await self._arm(agent, self._limit)
        finally:
            if self._hold is None:
                agent.close()
        count = await agent.execute("guest-fsfreeze-freeze", self._limit)
        return "" if isinstance(count, int) and count > 0 else "the guest's agent found no file system to freeze"

    async def standing(self) -> str:
        """Whether all is still frozen, and so was until now."""
        if self._hold is None:
            return "nothing was frozen"
        try:
            if await self._hold.agent.frozen(self._answer):
                return ""
        except UnderstudyError as error:
            return words(error.message)
        return f"the guest had thawed, by itself or in time, when its disks were frozen {_seconds(self._hold):.1f} s after it"

    async def thaw(self, patience: float) -> float:
        """Until the guest says so, `patience` seconds at most: then it is owed, and the lifeline stays armed.

        The seconds since the freeze.
        """
        hold = self._hold
        if hold is None:
            return 0.0
        try:
            with suppress(AgentRefused):
                # It had thawed already; or it says below that it has not.
                await hold.agent.execute("guest-fsfreeze-thaw", patience)
            if await hold.agent.frozen(self._answer):
                return _seconds(hold)
        except AgentGone:
            # The VM has ended, and what was frozen in it.
            pass
        except UnderstudyError:
            return _seconds(hold)
        seconds = _seconds(hold)
        self._hold = None
        hold.agent.close()
        with suppress(SourceUnavailable):
            # Its process has ended; there is nothing left for it to do.
            await self._line.disarm(hold.armed)
        return seconds

    async def take_up(self, path: Path) -> None:
        """Thaw what a killed run froze, its lifeline killed with it. If nothing answers, the thaw waits in the agent's socket."""
        with suppress(AgentGone):
            agent = GuestAgent.connect(str(path))
            try:
                frozen = await agent.frozen(self._answer)
            except AgentGone:
                frozen = False
            except UnderstudyError:
                frozen = True
            if frozen:
                await self._arm(agent, None)
                await self.thaw(self._answer)
            else:
                agent.close()

    def close(self) -> None:
        """A thaw that is owed is left with the lifeline's process. Idempotent."""
        self._line.close()
        if self._hold is not None:
            self._hold.agent.close()
            self._hold = None

    async def _arm(self, agent: GuestAgent, deadline: float | None) -> None:
        lines, awaited = thaw_lines()
        armed = await self._line.arm(agent.descriptor, Order(lines, awaited, deadline))
        self._hold = _Hold(agent, armed, time.monotonic())


def _seconds(hold: _Hold) -> float:
    return time.monotonic() - hold.since


def words(text: str) -> str:
    """Fit for a record and a terminal: part of it may have been said by a guest."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST])
