"""One cycle of a consistency group: every member begins, at one instant; when all are durable, every member commits.

A failure of one member before the first commit is a failure of all: no point is made. After it a point may be without its companions; the
group's instant is incomplete then, which the logs tell, and never offered as whole. Committing all at once keeps that rare: a store that
does not answer leaves every record in doubt, to be put again, and the instant becomes whole with them.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from understudy.errors import UnderstudyError
from understudy.finish import finish, first_failure
from understudy.replication.cycle import Replicator, ignore
from understudy.replication.draft import Binding, Draft
from understudy.replication.gate import PAUSE_LIMIT, Assembly
from understudy.replication.report import CycleProgress, CycleReport, ProgressSink
from understudy.source.protocol import Wish

EXAMINED_AT_ONCE = 2
"""Members whose disks are read and packed at the same time: each takes a pipeline's memory."""
PHASES = ("freeze", "transfer", "commit")


@dataclass(frozen=True, slots=True)
class GroupReport:
    """One whole instant, and each member's part in it by the member's name."""

    id: str
    members: Mapping[str, CycleReport]


@dataclass(slots=True)
class GroupReplicator:
    """Replicates several machines together. `members`: opened replicators by the machines' names; the caller opens and closes them."""

    name: str
    members: Mapping[str, Replicator]
    pause_limit: float = PAUSE_LIMIT

    async def cycle(self, progress: ProgressSink = ignore, app_consistent: bool = False) -> GroupReport:
        """Make one point of each member, all of one instant. An error names the member that it began with."""
        told = _Progress(progress)
        for name, replicator in self.members.items():
            try:
                await replicator.prepare(told.of(name))
            except UnderstudyError as error:
                raise named(error, name) from error
        ids = tuple(sorted(bytes.fromhex(replicator.log.machine_id) for replicator in self.members.values()))
        binding = Binding(secrets.token_bytes(16), self.name, ids)
        drafts = await self._begin(binding, told, app_consistent)
        return GroupReport(binding.group.hex(), await self._commit(drafts, told))

    async def _begin(self, binding: Binding, told: "_Progress", app_consistent: bool) -> dict[str, Draft]:
        assembly = Assembly(self.members.keys(), self.pause_limit)
        drafts: dict[str, Draft] = {}

        examining = asyncio.Semaphore(EXAMINED_AT_ONCE)

        async def begin(name: str, replicator: Replicator) -> None:
            try:
                drafts[name] = await replicator.begin(told.of(name), Wish(app_consistent, assembly.gate(name)), binding, examining)
            except BaseException as error:
                assembly.broken(name, error)
                raise

        try:
            async with asyncio.TaskGroup() as tasks:
                for name, replicator in self.members.items():
                    tasks.create_task(begin(name, replicator))
            await asyncio.gather(*(self._must_admit(name, draft) for name, draft in drafts.items()))
        except BaseException as error:
            cause = assembly.cause or (first_failure(error) if isinstance(error, BaseExceptionGroup) else error)
            await finish(self._abandon(drafts, cause))
            if isinstance(error, asyncio.CancelledError):
                raise
            if isinstance(cause, UnderstudyError) and assembly.culprit:
                named(cause, assembly.culprit)
            raise cause from None
        return drafts

    async def _must_admit(self, name: str, draft: Draft) -> None:
        """Before anybody commits: what can be known to fail for one fails for all."""
        try:
            await self.members[name].log.must_admit(draft.body)
        except UnderstudyError as error:
            raise named(error, name) from error

    async def _abandon(self, drafts: Mapping[str, Draft], cause: BaseException) -> None:
        await asyncio.gather(*(self.members[name].abandon(draft, cause) for name, draft in drafts.items()))

    async def _commit(self, drafts: Mapping[str, Draft], told: "_Progress") -> dict[str, CycleReport]:
        commits = (self.members[name].commit(draft, told.of(name)) for name, draft in drafts.items())
        done = await finish(asyncio.gather(*commits, return_exceptions=True))
        reports: dict[str, CycleReport] = {}
        failures: dict[str, BaseException] = {}
        for name, outcome in zip(drafts, done, strict=True):
            if isinstance(outcome, BaseException):
                failures[name] = outcome
            else:
                reports[name] = outcome
        # What will not pass by itself is told first.
        for name, failure in sorted(failures.items(), key=lambda failed: getattr(failed[1], "retryable", False)):
            if isinstance(failure, UnderstudyError):
                without = (
                    f"; the points of {', '.join(reports)} exist without it: this instant of the group is incomplete" if reports else ""
                )
                named(failure, name, without)
            raise failure
        return reports


def named(error: UnderstudyError, member: str, more: str = "") -> UnderstudyError:
    """The same error, saying whose it is."""
    error.message = f"{member}: {error.message}{more}"
    error.args = (error.message,)
    return error


@dataclass(slots=True)
class _Progress:
    """Many machines' progress as one: the sum of their bytes, and the phase of the last of them."""

    sink: ProgressSink
    _now: dict[str, CycleProgress] = field(default_factory=dict)

    def of(self, name: str) -> ProgressSink:
        def tell(now: CycleProgress) -> None:
            self._now[name] = now
            all_ = self._now.values()
            phase = min((each.phase for each in all_), key=lambda phase: PHASES.index(phase) if phase in PHASES else 0)
            self.sink(
                CycleProgress(phase, sum(each.done for each in all_), sum(each.total for each in all_), sum(each.stored for each in all_))
            )

        return tell
