"""Runs of recovery plans in the daemon: each is a job, which the next daemon goes on with where this one was."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from understudy import engine
from understudy.daemon.own import OwnJob
from understudy.daemon.plan_operations import JobOperations, made
from understudy.daemon.runner import Runner
from understudy.daemon.served import ServedEngine
from understudy.engine import AnswerStep, Job, PlanChecked, PlanRun, PlanRunEntry, RunPlan
from understudy.engine.plans import DONE, PlanStep, RecoveryPlan, Script
from understudy.errors import AccessDenied, Conflict, InvalidRequest, NotFound, PlanFailed, UnderstudyError, Unsupported
from understudy.failover.plans.checking import checked
from understudy.failover.plans.conductor import Conductor, Listener
from understudy.failover.plans.operations import Operations, Readiness
from understudy.failover.plans.planner import Decision
from understudy.failover.plans.run_file import RunFiles
from understudy.failover.plans.scripts import user_problem
from understudy.failover.plans.steps import plan_and_steps
from understudy.jobs.journal import Journal

BEGINNING = 100
"""Tenths of a second in which a run is written down, as a rule."""
AGAIN = (1.0, 60.0)
"""Seconds between two tries to give a report to the vault: at first, and at most."""


class Plans:
    """`readiness`: what else a dry run may ask."""

    def __init__(self, facade: ServedEngine, journal: Journal, state: Path, site: str, readiness: Readiness | None = None) -> None:
        self._engine = facade
        self._journal = journal
        self._files = RunFiles(state / "plans")
        self._site = site
        self._readiness = readiness
        self._live: dict[str, Conductor] = {}
        self._beginning = asyncio.Lock()
        self.runner: Runner
        """Set before the first job runs."""

    async def recover(self) -> None:
        """After the runner has: runs that have not come to their end, and whose jobs were lost or ended before, go on."""
        for run in await asyncio.to_thread(lambda: list(self._files.all())):
            if run.reported:
                continue
            parameters = {"plan": run.name, "kind": run.kind, "point": run.point, "revision": run.revision, "reason": run.reason}
            job = Job(
                id=run.id, kind="plan", machine=None, parameters=parameters, actor=run.actor, state="pending", created_at=run.asked_at
            )
            await self.runner.resume(job)

    async def check(self, request: RunPlan) -> PlanChecked:
        shown = await self._engine.plan(request.plan)
        found = await checked(shown, request, self._engine, self._readiness)
        problems = list(found.problems)
        for must in (self._must_be_able, self._must_be_operator):
            try:
                await must(request)
            except UnderstudyError as error:
                problems.append(error.message)
        return msgspec.structs.replace(found, problems=tuple(problems))

    async def must_be_possible(self, request: RunPlan) -> None:
        """Before a job of it is begun."""
        await self._must_be_able(request)
        await self._must_be_operator(request)
        shown = await self._engine.plan(request.plan)
        _must_be_revision(shown, request)
        _must_have_users(shown.plan)
        await self._must_be_somewhere_else(shown.plan, request)

    async def runs(self) -> tuple[PlanRunEntry, ...]:
        """Newest first: what runs, what has not been given to the vault, and what has. Without the vault only what is here."""
        found: dict[str, PlanRunEntry] = {}
        for run in await asyncio.to_thread(lambda: list(self._files.all())):
            found[run.id] = engine.entry_of(self._now(run))
        for entry in await self._engine.plan_reports():
            found.setdefault(entry.id, entry)
        return tuple(sorted(found.values(), key=lambda entry: entry.id, reverse=True))

    async def run(self, id_: str) -> PlanRun:
        here = await self._written(id_)
        if here is not None:
            return self._now(here)
        try:
            return await self._engine.plan_report(id_)
        except NotFound:
            await self._must_have_begun(id_)
            raise

    async def _must_have_begun(self, id_: str) -> None:
        """Of a run that is written down nowhere its job tells why, while that is known."""
        with suppress(NotFound):
            job = await self._journal.job(id_)
            if job.kind == "plan" and job.error is not None:
                raise Conflict(f"run {id_} did not begin: {job.error.message}", hint=job.error.hint)

    async def _written(self, id_: str) -> PlanRun | None:
        """A run whose job has just begun is about to be written down."""
        for _ in range(BEGINNING):
            run = await asyncio.to_thread(self._files.read, id_)
            if run is not None or not self.runner.has(id_):
                return run
            await asyncio.sleep(0.1)
        raise Conflict(f"run {id_} has not begun yet", hint="its job waits for the vault, or for its turn: try again")

    async def answer(self, id_: str, answer: AnswerStep, actor: str) -> PlanRun:
        """Durable when it returns."""
        conductor = self._live.get(id_)
        if conductor is None:
            run = await self.run(id_)
            if run.state == "running":
                raise Conflict(
                    f"run {id_} does not go on", hint="wait until the daemon has opened its vault; if its job has ended, restart it"
                )
            raise Conflict(f"run {id_} has {'been aborted' if run.state == 'aborted' else run.state}", hint="its report tells how")
        before = conductor.run
        run = await conductor.answer(answer, actor)
        step = next((new for old, new in zip(before.steps, run.steps, strict=True) if len(old.said) != len(new.said)), None)
        what = f"step {step.id} ({step.title})" if step is not None else "the run"
        note = f": {answer.note}" if answer.note else ""
        self._journal.tell("plan.answered", "info", f"plan {run.name}: {answer.reply} {what}{note}", job=id_, actor=actor)
        return run

    async def perform(self, own: OwnJob, request: RunPlan) -> PlanRunEntry:
        """The work of a job of the kind `plan`."""
        id_ = own.job.id
        run = await asyncio.to_thread(self._files.read, id_)
        if run is None and own.job.attempts > 1 and await self._engine.has_report(id_):
            run = await self._engine.plan_report(id_)
            return _ended(run)
        async with self._beginning:
            if run is None:
                await self._forget_what_ended()
                run = await self._begun(own, request)
            operations: Operations = JobOperations(self.runner, self._journal, run.actor, self._engine.points)
            self._live[id_] = conductor = Conductor(run, self._files, operations, _Told(self._journal, own, run))
        try:
            run = await conductor.conduct()
            if not run.reported:
                run = await self._report(own, run)
            return _ended(run)
        finally:
            del self._live[id_]

    async def _begun(self, own: OwnJob, request: RunPlan) -> PlanRun:
        """Written down: from here on this is what is done, whatever becomes of the plan in the vault."""
        shown = await self._engine.plan(request.plan)
        _must_be_revision(shown, request)
        ids: dict[str, str] = {}
        for group in shown.plan.groups:
            for machine in group.machines:
                ids[machine] = await self._engine.id_of(machine)
        await self._must_be_free(ids)
        job = own.job
        plan, steps = plan_and_steps(shown.plan, request, ids)
        run = PlanRun(
            id=job.id,
            name=shown.name,
            revision=shown.revision,
            plan=plan,
            kind=request.kind,
            point=request.point,
            reason=request.reason,
            actor=job.actor,
            site=self._site,
            asked_at=job.created_at,
            steps=await self._chosen(steps, request),
        )
        await asyncio.to_thread(self._files.write, run)
        self._journal.tell("plan.started", "info", f"plan {run.name} began as {run.kind}", job=run.id, actor=run.actor)
        return run

    async def _chosen(self, steps: tuple[PlanStep, ...], request: RunPlan) -> tuple[PlanStep, ...]:
        """A point that newer ones may take the place of is chosen once: what is repeated after a restart must not take another."""
        if request.point != "latest-app":
            return steps
        found = []
        for step in steps:
            if step.phase == "machines":
                points = [point for point in (await self._engine.points(step.machine)).points if point.consistency == "app"]
                if not points:
                    raise Conflict(f"{step.title} has no app-consistent point", hint="run the plan from the latest points")
                step = msgspec.structs.replace(step, chosen=points[-1].id)
            found.append(step)
        return tuple(found)

    async def _must_be_free(self, ids: Mapping[str, str]) -> None:
        names: dict[str, str] = {}
        for name, id_ in ids.items():
            if names.setdefault(id_, name) != name:
                raise Conflict(f"{names[id_]} and {name} are the same machine", hint="a plan brings every machine up once")
        for other in await asyncio.to_thread(lambda: list(self._files.all())):
            if other.state != "running":
                continue
            both = [names[step.machine] for step in other.steps if step.phase == "machines" and step.machine in names]
            if both:
                raise Conflict(
                    f"run {other.id} of plan {other.name} goes on, and has {', '.join(both[:5])}, too", hint="wait for its end, or abort it"
                )

    async def _report(self, own: OwnJob, run: PlanRun) -> PlanRun:
        """The vault has it when this returns. What passes is waited for, what does not fails the job: the run stays here then."""
        wait, most = AGAIN
        while True:
            try:
                await self._engine.keep_report(run)
                break
            except UnderstudyError as error:
                if not error.retryable:
                    raise
                await own.waits(f"the report cannot be given to the vault yet: {error.message}")
            await asyncio.sleep(wait)
            wait = min(wait * 2, most)
        run = msgspec.structs.replace(run, reported=True)
        await asyncio.to_thread(self._files.write, run)
        return run

    async def _forget_what_ended(self) -> None:
        """Runs that the vault has, and whose jobs nobody begins again."""
        for run in await asyncio.to_thread(lambda: list(self._files.all())):
            if run.reported and run.id not in self._live and not self.runner.has(run.id):
                await asyncio.to_thread(self._files.remove, run.id)

    async def _must_be_able(self, request: RunPlan) -> None:
        made(request.kind, request.point)
        if request.cleanup and request.kind != "test":
            raise InvalidRequest("only a test is cleaned up", hint=f"what is run as {request.kind} stays")

    async def _must_be_somewhere_else(self, plan: RecoveryPlan, request: RunPlan) -> None:
        """Where no machine of it could come up, as at the site where all of them run, nothing is done around them either."""
        machines = [machine for group in plan.groups for machine in group.machines]
        if request.kind == "test" or self._readiness is None or not machines:
            return
        refusals = []
        for machine in machines:
            try:
                refusal = await self._readiness.refusal(request.kind, await self._engine.id_of(machine))
            except UnderstudyError:
                return  # what is wrong with one machine is told at its step, and is no reason to leave the others down
            if not refusal:
                return
            refusals.append(refusal)
        raise Conflict(f"no machine of plan {request.plan} could come up here: {refusals[0]}", hint="run it where they are to come up")

    async def _must_be_operator(self, _: RunPlan) -> None:
        if not await self._engine.is_operator():
            raise AccessDenied("this daemon has a source's key, which brings nothing up", hint="run the plan where an operator's key is")

    def _now(self, run: PlanRun) -> PlanRun:
        conductor = self._live.get(run.id)
        return conductor.run if conductor is not None and not run.reported else run


class _Told(Listener):
    def __init__(self, journal: Journal, own: OwnJob, run: PlanRun) -> None:
        self._journal = journal
        self._own = own
        self._run = run
        self._trouble = ""

    def stepped(self, before: PlanStep, after: PlanStep) -> None:
        last = after.tries[-1] if after.tries else None
        why = f": {last.text}" if last is not None and last.text and after.state != "running" else ""
        group = self._run.plan.groups[after.group - 1].name
        words = {"running": "begins", "asking": "waits for a person", "pending": "is to be tried again"}.get(after.state, after.state)
        bad = after.state == "failed" or after.question in ("failed", "unknown")
        self._journal.tell(
            "plan.step",
            "error" if bad else "warning" if after.state == "asking" else "info",
            f"plan {self._run.name}, {group}: {after.title} {words}{why}",
            machine=after.machine or None,
            job=self._run.id,
            data={"step": after.id, "state": after.state, "question": after.question},
        )

    async def decided(self, run: PlanRun, decision: Decision) -> None:
        self._trouble = ""
        done = sum(step.state in DONE for step in run.steps)
        far = f"{done} of {len(run.steps)} steps"
        if decision.asking and not decision.running:
            first = decision.asking[0]
            wanted = {"confirm": "to be confirmed", "failed": "what to do after it failed", "unknown": "whether it was done"}
            more = f", and {len(decision.asking) - 1} more" if len(decision.asking) > 1 else ""
            await self._own.waits(f"{far}; {first.id} {first.title}: waits for a person, {wanted.get(first.question, '')}{more}")
        else:
            titles = [step.title for step in decision.running]
            more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
            await self._own.goes_on(f"{far}; {', '.join(titles[:3])}{more}" if titles else far)

    def troubled(self, error: UnderstudyError) -> None:
        if error.message != self._trouble:
            self._journal.tell("plan.stuck", "error", f"plan {self._run.name} cannot go on: {error.message}", job=self._run.id)
        self._trouble = error.message

    def broke(self, step: PlanStep, error: Exception) -> None:
        self._journal.fault(f"plan {self._run.name}, step {step.id} broke: {error}", error, machine=step.machine or None, job=self._run.id)


def _must_be_revision(shown: engine.ShownPlan, request: RunPlan) -> None:
    if request.revision not in (0, shown.revision):
        raise Conflict(
            f"plan {shown.name} was changed: revision {request.revision} was looked at, {shown.revision} is there now",
            hint="look at it again: understudy plan show",
        )


def _must_have_users(plan: RecoveryPlan) -> None:
    """Told before anything is done: half-way it would stop a failover."""
    for number, group in enumerate(plan.groups, 1):
        for action in (*group.pre, *group.post):
            if isinstance(action, Script) and (problem := user_problem(action)):
                raise Unsupported(
                    f"{action.command[0]} of group {number} ({group.name}) cannot be run: {problem}",
                    hint="take `user` out of the plan, or allow it by a drop-in of the service (docs/operations.md, Recovery plans)",
                )


def _ended(run: PlanRun) -> PlanRunEntry:
    """`PlanFailed` if not all was done."""
    if run.state == "succeeded":
        return engine.entry_of(run)
    bad = [
        f"{step.id} {step.title}"
        for step in run.steps
        if step.state == "failed" or (step.phase == "machines" and step.state != "succeeded")
    ]
    what = f"{', '.join(bad[:3])}{f' and {len(bad) - 3} more' if len(bad) > 3 else ''}"
    if run.aborted is not None:
        raise PlanFailed(f"plan {run.name} was aborted by {run.aborted.actor}", hint=f"understudy plan report {run.id} tells what was done")
    raise PlanFailed(f"plan {run.name} did not do all: {what}", hint=f"understudy plan report {run.id} tells why")
