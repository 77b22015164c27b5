"""Making a machine consistent for the instant of a freeze: hooks around it, file systems frozen by the guest's agent.

Before anything is done to the guest a note of it is durable, so that a run that was killed is made up for by the next one; what cannot
wait for that, the thaw, is left with the lifeline. Whatever fails downgrades the point and says why: the guest comes first.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file, state_directory
from understudy.errors import SourceUnavailable, StateFailed
from understudy.finish import finish
from understudy.qemu.agent_freeze import ANSWER, AgentFreeze
from understudy.source.hooks import PATIENCE, Occasion, checked, run_hook

NAME = "quiesced.json"
THAW = 30.0
"""Seconds for a thaw: the agent may still be at work on the freeze."""
NOTHING_NAMED = "no guest agent and no hook is named for this machine"
OWED = "the guest's agent has not answered the thaw of an earlier freeze"


@dataclass(frozen=True, slots=True)
class Means:
    """What a machine is made consistent with."""

    agent: Path | None = None
    pre: Path | None = None
    post: Path | None = None


@dataclass(slots=True)
class Outcome:
    """What one freeze achieved; settled when `around` is left."""

    downgrade: str = ""
    """Why the instant is crash-consistent only."""
    frozen: float = 0.0
    """Seconds for which file systems were frozen."""
    wanted: bool = True
    """Whether a point is made of it."""

    @property
    def consistency(self) -> str:
        return "crash" if self.downgrade else "app"


class Note(msgspec.Struct, frozen=True):
    """What a killed run may have left undone."""

    point: str
    agent: str
    post: str


class Quiesce:
    """One machine's, by its id and name. `directory`: its own on this host."""

    def __init__(
        self, machine: str, name: str, directory: Path, means: Means, guest: AgentFreeze, *, thaw: float = THAW, patience: float = PATIENCE
    ) -> None:
        self._machine = machine
        self._name = name
        self._path = directory / NAME
        self._means = means
        self._guest = guest
        self._thaw = thaw
        self._patience = patience

    def check(self) -> None:
        """InvalidRequest if a hook cannot be run."""
        for hook in (self._means.pre, self._means.post):
            if hook is not None:
                checked(hook)

    async def described(self) -> str:
        """What app-consistent points would be made with, and whether the guest's agent answers now."""
        means = self._means
        found = [f"{kind}-hook {hook}" for kind, hook in (("pre", means.pre), ("post", means.post)) if hook is not None]
        if means.agent is not None:
            found.insert(0, f"guest agent {means.agent} ({await self._guest.greet(means.agent) or 'answers'})")
        return ", ".join(found)

    @asynccontextmanager
    async def around(self, point: str, unable: str = "") -> AsyncIterator[Outcome]:
        """Enter just before the instant, leave right after it. `unable`: why the guest's agent cannot work now.

        Raises if the guest was not heard to go on, or if the state directory fails.
        """
        outcome = Outcome()
        if self._means == Means():
            outcome.downgrade = NOTHING_NAMED
            yield outcome
            return
        await self.settle()
        if self._guest.owed:
            outcome.downgrade = OWED
            yield outcome
            return
        await self._write_note(point)
        try:
            await self._begin(point, unable, outcome)
            yield outcome
            if self._guest.owed and not outcome.downgrade:
                outcome.downgrade = await self._guest.standing()
        except BaseException:
            outcome.wanted = False
            raise
        finally:
            await finish(self._end(point, outcome))

    async def settle(self) -> None:
        """Thaw what is still frozen, and run the post hook of a run that was killed. A guest that does not answer is not waited for:
        the thaw is in its agent's hands then, and freezes are downgraded until it was answered."""
        await self._guest.thaw(ANSWER)
        note = await asyncio.to_thread(self._read_note)
        if note is None or self._guest.owed:
            return
        if note.agent:
            await self._guest.take_up(Path(note.agent))
        failure = ""
        if note.post:
            failure = await self._run(Path(note.post), note.point, "post", "interrupted")
        if self._guest.owed:
            await self._write_note(note.point, note.agent)
        else:
            await self._remove_note()
        if failure:
            hint = "see to what it should have set going again; it is not run again for that freeze"
            raise SourceUnavailable(f"after a freeze that was interrupted, {failure}", hint=hint)

    def close(self) -> None:
        """A thaw that is owed is left with the lifeline's process. Idempotent."""
        self._guest.close()

    async def _begin(self, point: str, unable: str, outcome: Outcome) -> None:
        if self._means.pre is not None:
            outcome.downgrade = await self._run(self._means.pre, point, "pre")
        if self._means.agent is not None and not outcome.downgrade:
            outcome.downgrade = unable or await self._guest.begin(self._means.agent)

    async def _end(self, point: str, outcome: Outcome) -> None:
        outcome.frozen = await self._guest.thaw(self._thaw)
        if self._means.post is not None:
            ended = outcome.consistency if outcome.wanted else "failed"
            failure = await self._run(self._means.post, point, "post", ended)
            outcome.downgrade = outcome.downgrade or failure
        if self._guest.owed:
            await self._write_note(point, str(self._means.agent))
            raise SourceUnavailable(
                f"the guest's agent did not answer the thaw of its file systems within {self._thaw:g} s",
                hint="the guest may stand still: see to it; in the guest, fsfreeze --unfreeze <mount point> thaws",
            )
        await self._remove_note()

    async def _run(self, hook: Path, point: str, phase: str, outcome: str = "") -> str:
        return await run_hook(hook, Occasion(self._machine, self._name, point, phase, outcome), self._patience)

    async def _write_note(self, point: str, agent: str | None = None) -> None:
        """All that must be made up for; or, where `agent` is given, a thaw only."""
        means = self._means
        note = Note(point, str(means.agent or ""), str(means.post or "")) if agent is None else Note(point, agent, "")
        await asyncio.to_thread(replace_file, self._path, msgspec.json.encode(note))

    def _read_note(self) -> Note | None:
        try:
            with state_directory(self._path.parent):
                return msgspec.json.decode(self._path.read_bytes(), type=Note)
        except StateFailed as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        except msgspec.DecodeError as error:
            raise StateFailed(f"{self._path} is damaged: {error}", hint="see that the guest is not frozen, then remove it") from None

    async def _remove_note(self) -> None:
        def gone() -> None:
            with state_directory(self._path.parent):
                remove(self._path)

        await asyncio.to_thread(gone)
