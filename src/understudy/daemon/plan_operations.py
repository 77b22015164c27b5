"""How a plan's steps become the daemon's own jobs, one for each machine: the only place that knows which."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from understudy.daemon.runner import Runner
from understudy.daemon.work import drill_of
from understudy.engine import Authority, FailoverOperation, Job, JobKind, PlanKind, PlanPoint, Points, Readiness, StartJob
from understudy.errors import Conflict, NotFound, UnderstudyError, Unsupported
from understudy.failover.plans.operations import Outcome
from understudy.failover.table import must_be_allowed
from understudy.jobs.journal import Journal
from understudy.jobs.table import ENDED


@dataclass(frozen=True, slots=True)
class Made:
    """`parameters`: a job's, from a step's options: {point: latest | latest-app | latest-processed, id: the point's id where the run has
    chosen one, reason}. `points`: those that such a job can start from.

    The job's result tells what the report needs by these names: `point` (its id), `number`, and `rto_seconds` or `running_after`, from the
    job's beginning until the guest ran. One that says `outcome`: failed has failed though its job succeeded.
    """

    kind: JobKind
    parameters: Callable[[Mapping[str, Any]], dict[str, Any]]
    points: frozenset[PlanPoint] = frozenset({"latest"})


def _test(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"point": options["id"] or options["point"], "note": options["reason"]}


def _planned(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode": "planned", "reason": options["reason"]}


def _unplanned(options: Mapping[str, Any]) -> dict[str, Any]:
    newest = "" if options["point"] == "latest" else options["point"]
    return {"mode": "unplanned", "point": options["id"] or newest, "reason": options["reason"]}


MADE: dict[PlanKind, Made] = {
    "test": Made("test-failover", _test, frozenset({"latest", "latest-app", "latest-processed"})),
    "planned": Made("failover", _planned),
    "unplanned": Made("failover", _unplanned, frozenset({"latest", "latest-app", "latest-processed"})),
    "failback": Made("failover", _planned),
}
"""Which job a run of this kind begins for each machine. A kind that is not here is refused before anything is begun."""
_OPERATIONS: dict[PlanKind, FailoverOperation] = {"test": "test", "planned": "planned", "unplanned": "unplanned", "failback": "planned"}


def made(kind: PlanKind, point: PlanPoint) -> Made:
    found = MADE.get(kind)
    if found is None:
        raise Unsupported(f"this version runs no plan as {kind}", hint=f"kinds that it runs: {', '.join(sorted(MADE))}")
    if point not in found.points:
        raise Unsupported(f"a plan is not run as {kind} from the {point} point", hint=f"it starts from: {', '.join(sorted(found.points))}")
    return found


class JobOperations:
    """Begun in the name of `actor`; a key that was used before gives the job that it gave then. `look`: a machine's points."""

    def __init__(self, runner: Runner, journal: Journal, actor: str, look: Callable[[str], Awaitable[Points]]) -> None:
        self._runner = runner
        self._journal = journal
        self._actor = actor
        self._look = look

    async def run(self, kind: PlanKind, machine: str, options: Mapping[str, Any], key: str) -> str:
        how = made(kind, options["point"])
        request = StartJob(kind=how.kind, machine=machine, parameters=how.parameters(options), actor=self._actor, key=key)
        return (await self._runner.start(request, machine)).id

    async def clean_up(self, machine: str, job: str, note: str, key: str) -> str:
        parameters = {"drill": drill_of(job), "note": note}
        request = StartJob(kind="drill-cleanup", machine=machine, parameters=parameters, actor=self._actor, key=key)
        return (await self._runner.start(request, machine)).id

    async def outcome(self, job: str) -> Outcome | None:
        if self._runner.has(job):
            return None
        ended = self._runner.live(await self._journal.job(job))
        outcome = outcome_of(ended)
        if outcome is None or not outcome.point or ended.machine is None:
            return outcome
        try:
            points = (await self._look(ended.machine)).points
        except UnderstudyError:
            # What was done is done, though the vault cannot tell now of when the point is.
            return outcome
        frozen_at = next((point.frozen_at for point in points if point.id == outcome.point), None)
        return Outcome(outcome.ok, outcome.text, outcome.ended_at, outcome.point, outcome.number, frozen_at, outcome.running_at)

    async def cancel(self, job: str, actor: str) -> None:
        if (await self._journal.job(job)).kind == "failover":
            # Given up half-way its machine could be down at both sites.
            raise Conflict(f"job {job} is a failover, which comes to its end", hint="once it has ended: understudy failover cancel")
        await self._runner.cancel(job, actor)


class ReadinessOf:
    """What `understudy check` finds, in words, and whether the machine's state allows it. `check`, `authority`: as these are asked for."""

    def __init__(self, check: Callable[[str], Awaitable[Readiness]], authority: Callable[[str], Awaitable[Authority]]) -> None:
        self._check = check
        self._authority = authority

    async def refusal(self, kind: PlanKind, machine: str) -> str:
        state = await self._authority(machine)
        try:
            must_be_allowed(_OPERATIONS[kind], state.machine, state.phase, state.site, primary=state.primary)
        except Conflict as error:
            return error.message
        return ""

    async def check(self, kind: PlanKind, machine: str) -> Sequence[str]:
        if refusal := await self.refusal(kind, machine):
            return [refusal]
        found = await self._check(machine)
        # What is mapped to no test network is isolated in a test.
        beside = {"networks", "addresses"} if kind == "test" else set()
        return [f"{item.what}: {item.words}" for item in found.items if item.verdict == "fail" and item.what not in beside]


class _Told(msgspec.Struct, frozen=True):
    """What of a job's result goes into the report; other kinds of jobs say other things by the first name."""

    point: Any = ""
    number: int = 0
    rto_seconds: float | None = None
    running_after: float | None = None
    outcome: str = ""


def outcome_of(job: Job) -> Outcome | None:
    if job.state not in ENDED:
        return None
    told = _Told() if job.result is None else msgspec.convert(job.result, _Told)
    if job.kind == "drill-cleanup":
        return _removed(job, told.outcome)
    text = job.error.message if job.error is not None else "" if job.state == "succeeded" else f"job {job.id} was cancelled: {job.note}"
    began = job.started_at or job.created_at
    after = told.running_after if told.rto_seconds is None else told.rto_seconds
    if job.state == "succeeded" and told.outcome == "failed":
        text = "it was started, and is not well: its checks failed"
    return Outcome(
        ok=job.state == "succeeded" and told.outcome != "failed",
        text=text,
        ended_at=job.ended_at,
        point=told.point if isinstance(told.point, str) else "",
        number=told.number,
        running_at=None if after is None else began + round(after * 1e9),
    )


_COUNTS = {"passed": "its test counts as passed", "failed": "its test counts as failed"}


def _removed(job: Job, counts: str) -> Outcome:
    """A test that is not known here has left nothing here."""
    if job.error is not None and job.error.code == NotFound.code:
        return Outcome(ok=True, text="nothing of it is here", ended_at=job.ended_at)
    if job.state == "succeeded":
        return Outcome(ok=True, text=_COUNTS.get(counts, "its test came to no outcome, and does not count"), ended_at=job.ended_at)
    return Outcome(
        ok=False, text=job.error.message if job.error is not None else f"job {job.id} was cancelled: {job.note}", ended_at=job.ended_at
    )
