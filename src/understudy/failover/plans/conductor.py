"""One run of a plan, driven: whatever the planner says is durable before it is begun, and its end as soon as it is known."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from understudy.engine import AnswerStep, PlanRun
from understudy.engine.plans import PlanStep, Script, Try
from understudy.errors import Conflict, StateFailed, UnderstudyError
from understudy.failover.plans.operations import Operations, Outcome
from understudy.failover.plans.planner import Decision, decide
from understudy.failover.plans.progress import Result, answered, begun, ended, followed, over, step_of
from understudy.failover.plans.run_file import RunFiles
from understudy.failover.plans.scripts import run_script
from understudy.failover.plans.steps import action_of, group_of
from understudy.finish import finish

LOOK = 0.25
MOST_NOTE = 1000
AGAIN = 2.0
"""Seconds until what could not be written is tried again."""

Change: TypeAlias = Callable[[PlanRun], PlanRun]


class Listener:
    """Told of every change, once it is durable."""

    def stepped(self, before: PlanStep, after: PlanStep) -> None:
        """A step has another state."""

    async def decided(self, run: PlanRun, decision: Decision) -> None:
        """What goes on and what is waited for, whenever that may have changed."""

    def troubled(self, error: UnderstudyError) -> None:
        """The run cannot be written down, and so cannot go on until it can."""

    def broke(self, step: PlanStep, error: Exception) -> None:
        """A fault of our own in a step, which fails with it."""


class Conductor:
    """`run` was written to `files` before. One at a time of a run."""

    def __init__(self, run: PlanRun, files: RunFiles, operations: Operations, listener: Listener) -> None:
        self.run = run
        self._files = files
        self._operations = operations
        self._listener = listener
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._aborted = asyncio.Event()

    async def conduct(self) -> PlanRun:
        """Until nothing is left. Cancelled, it leaves things as they are, for who conducts this run next."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while self.run.state == "running":
                self._wake.clear()
                decision = decide(self.run)
                if decision.over is not None:
                    await self._change(partial(over, state=decision.over, at=time.time_ns()))
                    break
                for step in decision.begin:
                    await self._change(partial(begun, id_=step.id, at=time.time_ns()))
                for step in self.run.steps:
                    if step.state == "running" and step.id not in tasks:
                        tasks[step.id] = asyncio.create_task(self._do(step), name=f"plan step {step.id}")
                        tasks[step.id].add_done_callback(partial(self._gone, tasks, step.id))
                if self.run.aborted is not None and not self._aborted.is_set():
                    self._aborted.set()
                    await self._cancel_what_runs()
                await self._listener.decided(self.run, decide(self.run))
                await self._wake.wait()
            return self.run
        finally:
            for task in list(tasks.values()):
                task.cancel()
            if tasks:
                await finish(asyncio.wait(list(tasks.values())))

    async def answer(self, answer: AnswerStep, actor: str) -> PlanRun:
        """Durable when it returns. `Conflict` if it does not fit; `StateFailed` if it could not be written: then nothing was said."""
        async with self._turn:
            await self._put(answered(self.run, answer, actor, time.time_ns()))
        return self.run

    def _gone(self, tasks: dict[str, "asyncio.Task[None]"], step: str, _: "asyncio.Task[None]") -> None:
        tasks.pop(step, None)
        self._wake.set()

    async def _change(self, change: Change) -> None:
        """What happened has happened: it is written as soon as that can be done."""
        while True:
            try:
                async with self._turn:
                    await self._put(change(self.run))
                return
            except StateFailed as error:
                self._listener.troubled(error)
            await asyncio.sleep(AGAIN)

    async def _put(self, run: PlanRun) -> None:
        # Whoever asks may go away: what is in the file is what counts here, too.
        await finish(self._written(run))

    async def _written(self, run: PlanRun) -> None:
        await asyncio.to_thread(self._files.write, run)
        before, self.run = self.run, run
        self._wake.set()
        for old, new in zip(before.steps, run.steps, strict=True):
            if old.state != new.state or len(old.tries) != len(new.tries):
                self._listener.stepped(old, new)

    async def _do(self, step: PlanStep) -> None:
        """A step that is running by what is written down: begun by this, or by who conducted this run before."""
        try:
            result = await self._result(step)
        except UnderstudyError as error:
            hint = f" ({error.hint})" if error.hint else ""
            result = Result(ok=False, text=f"{error.message}{hint}")
        except Exception as error:
            # A fault of our own is this step's: the others bring machines up, and go on.
            self._listener.broke(step, error)
            result = Result(ok=False, text=f"a fault in understudy: {type(error).__name__}: {error}")
        await self._change(lambda run: ended(run, step.id, time.time_ns(), result))

    async def _result(self, step: PlanStep) -> Result:
        if step.phase == "delay":
            return await self._delay(step)
        if step.phase == "machines":
            return await self._bring_up(step)
        if step.phase == "cleanup":
            return await self._clean_up(step)
        action = action_of(self.run.plan, step)
        assert isinstance(action, Script)
        directory = self._files.of(self.run.id) / f"{step.id}-{len(step.tries)}"
        while True:
            try:
                return await run_script(directory, action, self._about(step), self._aborted.is_set)
            except StateFailed as error:
                # What is known of it lies there: until that can be read nothing may be concluded.
                self._listener.troubled(error)
            await asyncio.sleep(AGAIN)

    async def _delay(self, step: PlanStep) -> Result:
        """By the wall clock over a restart; a clock that was set makes it no longer than it is."""
        wanted = group_of(self.run.plan, step).delay_seconds
        left = wanted - (time.time_ns() - step.tries[-1].began_at) / 1e9
        with suppress(TimeoutError):
            await asyncio.wait_for(self._aborted.wait(), min(max(left, 0.0), wanted))
            return Result(ok=False, text="the run was aborted")
        return Result(ok=True)

    async def _bring_up(self, step: PlanStep) -> Result:
        run = self.run
        options = {"point": run.point, "id": step.chosen, "reason": _reason(run)}
        key = _key(run, step)
        if run.kind == "test" and (before := _last_job(step.tries[:-1])):
            # Of one machine only one test stands at a time.
            removed = _result_of(await self._removed(step.machine, before, _reason(run), f"{key}:before"))
            if not removed.ok:
                return Result(ok=False, text=f"what the try before had started was not removed: {removed.text}")
        job = await self._operations.run(run.kind, step.machine, options, key)
        if job != step.job:
            await self._change(lambda now: followed(now, step.id, job))
        if self._aborted.is_set():
            await self._cancel(job)
        return _result_of(await self._outcome(job))

    async def _clean_up(self, step: PlanStep) -> Result:
        run = self.run
        started = next(one for one in run.steps if one.phase == "machines" and one.machine == step.machine)
        job = _last_job(started.tries)
        if not job:
            return Result(ok=True, text="nothing was started")
        look = next((one for one in run.steps if (one.group, one.phase) == (step.group, "pre")), None)
        note = look.said[-1].note if look is not None and look.said else ""
        words = f"{_reason(run)}: {note}" if note else _reason(run)
        outcome = await self._removed(step.machine, job, words[:MOST_NOTE], _key(run, step), step)
        return _result_of(outcome)

    async def _removed(self, machine: str, test: str, note: str, key: str, step: PlanStep | None = None) -> Outcome:
        """`step`: whose job that is."""
        job = await self._operations.clean_up(machine, test, note, key)
        if step is not None and job != step.job:
            await self._change(lambda now: followed(now, step.id, job))
        return await self._outcome(job)

    async def _outcome(self, job: str) -> Outcome:
        while True:
            outcome = await self._operations.outcome(job)
            if outcome is not None:
                return outcome
            await asyncio.sleep(LOOK)

    async def _cancel_what_runs(self) -> None:
        for step in self.run.steps:
            if step.state == "running" and step.job and step.phase == "machines":
                await self._cancel(step.job)

    async def _cancel(self, job: str) -> None:
        assert self.run.aborted is not None
        # Where that is not safe it comes to its end.
        with suppress(Conflict):
            await self._operations.cancel(job, self.run.aborted.actor)

    def _about(self, step: PlanStep) -> dict[str, str]:
        run = self.run
        return {
            "UNDERSTUDY_PLAN": run.name,
            "UNDERSTUDY_RUN": run.id,
            "UNDERSTUDY_KIND": run.kind,
            "UNDERSTUDY_GROUP": group_of(run.plan, step).name,
            "UNDERSTUDY_STEP": step.id,
            "UNDERSTUDY_TRY": str(len(step_of(run, step.id).tries)),
            "UNDERSTUDY_SITE": run.site,
        }


def _reason(run: PlanRun) -> str:
    return f"plan {run.name}, run {run.id}"


def _key(run: PlanRun, step: PlanStep) -> str:
    return f"plan:{run.id}:{step.id}:{len(step.tries)}"


def _last_job(tries: Sequence[Try]) -> str:
    return next((one.job for one in reversed(tries) if one.job), "")


def _result_of(outcome: Outcome) -> Result:
    return Result(
        ok=outcome.ok,
        text=outcome.text,
        ended_at=outcome.ended_at,
        point=outcome.point,
        number=outcome.number,
        frozen_at=outcome.frozen_at,
        running_at=outcome.running_at,
    )
