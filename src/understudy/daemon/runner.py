"""Jobs, run: durable before they are answered, told of while they run, and never left running by a daemon that died."""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from functools import partial

import msgspec

from understudy.daemon.own import OwnJob
from understudy.daemon.track import failure_of
from understudy.daemon.work import Doer, Work, work_of
from understudy.engine import Job, JobProgress, JobState, JobStep, Progress, Severity, StartJob
from understudy.errors import Conflict, InvalidRequest, Overloaded, StateFailed, UnderstudyError
from understudy.finish import finish
from understudy.jobs.journal import Journal
from understudy.jobs.table import ENDED

AT_ONCE = 4
"""Jobs that run at once; replication waits for its turn elsewhere."""
MOST = 1000
"""Jobs that wait or run."""
MOST_ATTEMPTS = 3
"""A job that was running so often when the daemon died may be why it did."""
SHOWN_EVERY = 0.25
OWED_AGAIN = 2.0
"""Seconds until what could not be written of jobs is tried again."""
_OF_A_FAILOVER = ("failover", "change-point", "cancel-failover", "commit-failover", "start-again", "reprotect")
_TO_THE_END = frozenset({*_OF_A_FAILOVER, "plan"})
"""Kinds that are not left in their midst: there are operations of their own that take them back."""
_BESIDE = frozenset({"profile"})
"""Kinds that look on for long and do nothing: nobody waits for them."""
_AT_ONCE = frozenset({"replicate", *_OF_A_FAILOVER, "plan", *_BESIDE})
"""Kinds that wait for no other job: replication has its own turns, and a failover is not to be kept waiting by a verification."""
_GOES_ON = frozenset({"plan", *_BESIDE})
"""Kinds that a stopping daemon does not let come to their end: the next one goes on with a plan, whose parts go on by themselves, and
begins to look on anew."""


@dataclass(slots=True)
class _Run:
    job: Job
    task: "asyncio.Task[None] | None" = None
    cancelled_by: str = ""
    shown: float = 0.0
    since: tuple[float, int] = (0.0, 0)


class Runner:
    """`tasks` must live as long as this; `doer` does the work."""

    def __init__(self, journal: Journal, doer: Doer, tasks: asyncio.TaskGroup) -> None:
        self._journal = journal
        self._doer = doer
        self._tasks = tasks
        self._runs: dict[str, _Run] = {}
        self._owed: dict[str, Job] = {}
        """How jobs are of which the file tells something else, since it could not be written."""
        self._paying: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._stopping = False
        self._ready = asyncio.Event()

    @property
    def running(self) -> int:
        return sum(run.job.state == "running" for run in self._runs.values())

    def has(self, id_: str) -> bool:
        """Whether this job is pending or running."""
        return id_ in self._runs

    def busy_with(self, machine: str) -> bool:
        return any(run.job.machine == machine and run.job.kind not in _BESIDE for run in self._runs.values())

    async def recover(self) -> None:
        """What an earlier daemon left: every kind of job may be begun again, unless it was begun too often."""
        for job in await self._journal.unfinished():
            begun = job.state in ("running", "waiting")
            # A plan goes on where it was, however often that is; each of its scripts is begun but a few times.
            if begun and job.attempts >= MOST_ATTEMPTS and job.kind != "plan":
                often = Conflict(f"the daemon ended {job.attempts} times while this job ran", hint="see the log, and start it again")
                await self._left(job, often)
                continue
            try:
                work = work_of(job.kind, job.machine, job.parameters, job.id)
            except InvalidRequest as error:
                # Another version's.
                await self._left(job, error)
                continue
            note = f"the daemon ended during attempt {job.attempts}; it was begun again" if begun else job.note
            again = msgspec.structs.replace(
                job, state="pending", note=note, progress=JobProgress(), cancellable=job.kind not in _TO_THE_END
            )
            await self._put(again)
            if begun:
                self._journal.tell("job.repeated", "warning", f"{_title(job)}: {note}", machine=job.machine, job=job.id)
            self._begin(again, work)

    async def resume(self, job: Job) -> None:
        """Begin this job (pending, with its own id) again, whatever is remembered of it: it was forgotten, or ended before its work had."""
        if self.has(job.id):
            return
        work = work_of(job.kind, job.machine, job.parameters, job.id)
        _, fresh = await self._journal.restore(job)
        note = "it was forgotten" if fresh else "it had ended before its work had"
        self._journal.tell("job.repeated", "warning", f"{_title(job)} was begun again: {note}", machine=job.machine, job=job.id)
        self._begin(job, work)

    async def _left(self, job: Job, error: UnderstudyError) -> None:
        """A job that is not begun again."""
        await self._put(msgspec.structs.replace(job, state="failed", ended_at=time.time_ns(), error=failure_of(error), cancellable=False))
        self._journal.tell("job.ended", "error", f"{_title(job)} failed: {error.message}", machine=job.machine, job=job.id)

    async def start(self, request: StartJob, machine: str | None) -> Job:
        """Durable when it returns. `machine`: its id."""
        now = time.time_ns()
        id_ = f"{now // 1_000_000:012x}{secrets.token_hex(4)}"
        work = work_of(request.kind, machine, request.parameters, id_)
        if self._stopping:
            raise Overloaded("the daemon is stopping", hint="try again when it runs")
        if len(self._runs) >= MOST:
            raise Overloaded(f"{len(self._runs)} jobs are pending or running already", hint="cancel some, or wait for their end")
        job = Job(
            id=id_,
            kind=request.kind,
            machine=machine,
            parameters=request.parameters,
            actor=request.actor,
            state="pending",
            created_at=now,
            cancellable=request.kind not in _TO_THE_END,
        )
        # A job that is in the file runs, whether or not somebody still waits for this answer.
        return self._now(await finish(self._added(job, request.key, work)))

    async def _added(self, job: Job, key: str, work: Work) -> Job:
        job, fresh = await self._journal.add(job, key)
        if fresh:
            self._begin(job, work)
        return job

    async def cancel(self, id_: str, actor: str) -> Job:
        job = self._now(await self._journal.job(id_))
        run = self._runs.get(id_)
        if run is None or run.task is None or job.state in ENDED:
            raise Conflict(f"job {id_} is {job.state}", hint="only a job that is pending or running can be cancelled")
        if job.kind == "plan":
            raise Conflict(f"job {id_} is a recovery plan, which is not just given up", hint=f"understudy plan abort {id_}")
        if not job.cancellable:
            raise Conflict(f"job {id_} cannot be cancelled any more", hint="wait for its end")
        run.cancelled_by = actor
        run.task.cancel()
        await asyncio.wait([run.task], timeout=5)
        return self._now(await self._journal.job(id_))

    def live(self, job: Job) -> Job:
        """`job` as it is now, where it runs here."""
        return self._now(job)

    def open(self) -> None:
        """The vault is there and the machines are followed: jobs may begin."""
        self._ready.set()

    def end(self) -> None:
        """End what is left, for the next daemon to begin again."""
        for run in self._runs.values():
            if run.task is not None:
                run.task.cancel()
        if self._paying is not None:
            self._paying.cancel()

    async def stop(self, seconds: float) -> None:
        """Let what runs come to its end for so long; the rest is begun again by the next daemon."""
        self._stopping = True
        for run in self._runs.values():
            if run.task is not None and run.job.kind in _GOES_ON:
                run.task.cancel()
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _now(self, job: Job) -> Job:
        run = self._runs.get(job.id)
        return run.job if run else self._owed.get(job.id, job)

    def _begin(self, job: Job, work: Work) -> None:
        run = _Run(job)
        self._runs[job.id] = run
        run.task = self._tasks.create_task(self._run(run, work), name=f"job {job.id}")

    async def _run(self, run: _Run, work: Work) -> None:
        job = run.job
        try:
            await self._ready.wait()
            async with contextlib.nullcontext() if job.kind in _AT_ONCE else self._slots:
                began = time.time_ns()
                await self._turn(run, "running", started_at=job.started_at or began, attempts=job.attempts + 1)
                self._journal.tell("job.started", "info", f"{_title(job)} began", machine=job.machine, job=job.id, actor=job.actor)
                own = OwnJob(run.job, partial(self._shown_as, run, "waiting"), partial(self._shown_as, run, "running"))
                result = await work(self._doer.of(own), lambda progress: self._progress(run, progress))
                await finish(self._end(run, "succeeded", result=msgspec.to_builtins(result)))
        except asyncio.CancelledError:
            if run.job.state in ENDED:
                return
            if not run.cancelled_by:
                # The daemon stops: the next one finds the job as it is and begins it again.
                raise
            await finish(self._end(run, "cancelled", note=f"cancelled by {run.cancelled_by}"))
        except Exception as error:
            # A fault of our own fails its job, and with a traceback; the daemon goes on.
            if not isinstance(error, UnderstudyError):
                self._journal.fault(f"{_title(job)} broke: {type(error).__name__}: {error}", error, machine=job.machine, job=job.id)
            await finish(self._end(run, "failed", error=failure_of(error)))
        finally:
            self._runs.pop(job.id, None)

    async def _shown_as(self, run: _Run, state: JobState, words: str) -> None:
        if (run.job.state, run.job.progress.phase) != (state, words):
            await self._turn(run, state, progress=JobProgress(phase=words))

    async def _turn(self, run: _Run, state: JobState, **fields: object) -> None:
        run.job = msgspec.structs.replace(run.job, state=state, **fields)
        await self._put(run.job)

    async def _end(self, run: _Run, state: JobState, **fields: object) -> None:
        now = time.time_ns()
        steps = _ended(run.job.steps, now)
        await self._turn(run, state, ended_at=now, steps=steps, cancellable=False, **fields)
        job = run.job
        why = f": {job.error.message}" if job.error else ""
        severity: Severity = "error" if state == "failed" else "info"
        message = f"{_title(job)} {state}{why}"
        self._journal.tell("job.ended", severity, message, machine=job.machine, job=job.id, actor=job.actor, data={"state": state})

    async def _put(self, job: Job) -> None:
        """A job goes on, and ends, even where the file cannot be written."""
        try:
            await self._journal.put(job)
        except StateFailed as error:
            self._journal.tell("daemon.jobs-failed", "error", error.message, job=job.id)
            self._journal.show(job)
            self._owed[job.id] = job
            if self._paying is None or self._paying.done():
                self._paying = self._tasks.create_task(self._pay(), name="jobs that could not be written")
        else:
            self._owed.pop(job.id, None)

    async def _pay(self) -> None:
        """What has ended must not be begun again by the next daemon, whenever that may be: it is written once there is room."""
        while self._owed:
            await asyncio.sleep(OWED_AGAIN)
            for job in list(self._owed.values()):
                with contextlib.suppress(StateFailed):
                    await self._journal.put(job)
                    if self._owed.get(job.id) is job:
                        del self._owed[job.id]

    def _progress(self, run: _Run, progress: Progress) -> None:
        """Shown now and then, and at each new step."""
        now = time.monotonic()
        job = run.job
        if progress.phase != job.progress.phase:
            wall = time.time_ns()
            steps = (*_ended(job.steps, wall), JobStep(name=progress.phase, began_at=wall))[-50:]
            job = msgspec.structs.replace(job, steps=steps)
            run.since, run.shown = (now, progress.done), 0.0
        passed = now - run.since[0]
        rate = (progress.done - run.since[1]) / passed if passed > 0 else 0.0
        left = None if progress.total is None or rate <= 0 else max(progress.total - progress.done, 0) / rate
        told = JobProgress(phase=progress.phase, done=progress.done, total=progress.total, rate=rate, eta_seconds=left)
        run.job = msgspec.structs.replace(job, progress=told)
        if now - run.shown >= SHOWN_EVERY:
            run.shown = now
            self._journal.show(run.job)


def _ended(steps: tuple[JobStep, ...], now: int) -> tuple[JobStep, ...]:
    if not steps or steps[-1].ended_at is not None:
        return steps
    return (*steps[:-1], msgspec.structs.replace(steps[-1], ended_at=now))


def _title(job: Job) -> str:
    return f"{job.kind} job {job.id}"
