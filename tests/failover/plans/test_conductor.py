"""A run, driven, with real programs and a real SIGKILL of the process that drives it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.failover.plans.doubles import Operated
from tests.failover.plans.kit import group, manual, run_of
from understudy.engine import AnswerStep, PlanRun, Reply
from understudy.engine.plan_reached import rpo_of, rto_of
from understudy.engine.plans import PlanStep, Script
from understudy.errors import StateFailed, UnderstudyError
from understudy.failover.plans import conductor
from understudy.failover.plans.conductor import Conductor, Listener
from understudy.failover.plans.planner import Decision
from understudy.failover.plans.run_file import RunFiles

PATIENCE = 60


def shell(text: str, **fields: object) -> Script:
    return Script(command=("/bin/sh", "-c", text), **fields)  # type: ignore[arg-type]


class Person(Listener):
    """Answers what is asked, once each."""

    def __init__(self, answers: dict[str, Reply]) -> None:
        self.answers = answers
        self.conductor: Conductor
        self.heard: list[tuple[str, str]] = []
        self.troubles: list[str] = []

    def stepped(self, before: PlanStep, after: PlanStep) -> None:
        self.heard.append((after.id, after.question or after.state))

    def troubled(self, error: UnderstudyError) -> None:
        self.troubles.append(error.message)

    async def decided(self, run: PlanRun, decision: Decision) -> None:
        for step in decision.asking:
            reply = self.answers.get(step.id)
            if reply is not None:
                await self.conductor.answer(AnswerStep(reply=reply, step=step.id, note=f"{step.question}: as told"), "anna")


async def conducted(run: PlanRun, directory: Path, operations: Operated, answers: dict[str, Reply] | None = None) -> tuple[PlanRun, Person]:
    files, person = RunFiles(directory / "plans"), Person(answers or {})
    files.write(run)
    person.conductor = Conductor(run, files, operations, person)
    ended = await asyncio.wait_for(person.conductor.conduct(), PATIENCE)
    assert files.read(run.id) == ended
    return ended, person


def of(run: PlanRun, id_: str) -> PlanStep:
    return next(step for step in run.steps if step.id == id_)


async def test_three_groups_with_a_failing_script_and_a_manual_step(tmp_path: Path) -> None:
    said = tmp_path / "said"
    note = f'echo "$UNDERSTUDY_STEP $UNDERSTUDY_TRY $UNDERSTUDY_GROUP $UNDERSTUDY_KIND $UNDERSTUDY_PLAN" >> {said}'
    run = run_of(
        group("data", "db1 db2 db3", pre=(shell(f"{note}; echo dns is set; echo and said >&2"),), delay_seconds=0.2),
        group("services", "a b c d", pre=(manual("turn the key"), shell(f"{note}; echo no; exit 3")), parallel=2),
        group("rest", "x y z", post=(shell(f"{note}; exec sleep 60", timeout=0.3),), on_failure="continue"),
    )
    ended, person = await conducted(run, tmp_path, Operated(tmp_path / "jobs"), {"2.pre.1": "confirm", "2.pre.2": "skip"})

    assert ended.state == "failed"
    assert {step.id: step.state for step in ended.steps if step.state != "succeeded"} == {"2.pre.2": "skipped", "3.post.1": "failed"}
    assert said.read_text().splitlines() == [
        "1.pre.1 1 data planned dr",
        "2.pre.2 1 services planned dr",
        "3.post.1 1 rest planned dr",
    ]
    assert of(ended, "1.pre.1").tries[0].output == "dns is set\nand said\n"
    assert (of(ended, "2.pre.2").tries[0].text, of(ended, "2.pre.2").tries[0].output) == ("it ended with status 3", "no\n")
    assert of(ended, "3.post.1").tries[0].text == "it took more than 0.3 s, and was ended"
    assert [(one.reply, one.actor, one.note) for step in ended.steps for one in step.said] == [
        ("confirm", "anna", "confirm: as told"),
        ("skip", "anna", "failed: as told"),
    ]
    machines = [step for step in ended.steps if step.phase == "machines"]
    assert len(machines) == 10
    assert {(rpo_of(ended, step), rto_of(ended, step), step.number) for step in machines} == {(3.0, 8.0, 7)}
    # Never more at once than the group says, and no group before the one before it.
    now: set[str] = set()
    for step, state in person.heard:
        now = now | {step} if state == "running" else now - {step}
        assert sum(one.startswith("2.machine") for one in now) <= 2
        assert len({one[0] for one in now}) <= 1


async def test_abort_ends_scripts_and_operations(tmp_path: Path) -> None:
    run = run_of(group("a", "x y"), group("b", pre=(shell("exec sleep 60"),)))
    operations = Operated(tmp_path / "jobs", endless=[run.steps[0].machine])
    files, person = RunFiles(tmp_path / "plans"), Person({})
    files.write(run)
    driver = Conductor(run, files, operations, person)
    task = asyncio.create_task(driver.conduct())
    await _until(lambda: of(driver.run, "1.machine.1").job and of(driver.run, "1.machine.2").state == "succeeded")
    await driver.answer(AnswerStep(reply="abort", note="wrong site"), "anna")
    ended = await asyncio.wait_for(task, PATIENCE)
    assert (ended.state, of(ended, "1.machine.1").tries[0].text) == ("aborted", "it was cancelled")
    assert ended.aborted is not None
    assert (ended.aborted.actor, ended.aborted.note, of(ended, "2.pre.1").state) == ("anna", "wrong site", "pending")

    run = run_of(group("b", pre=(shell("exec sleep 60"),)), id="r2")
    files.write(run)
    driver = Conductor(run, files, operations, person)
    task = asyncio.create_task(driver.conduct())
    await _until((files.of("r2") / "1.pre.1-1" / "begun").exists)
    await driver.answer(AnswerStep(reply="abort"), "anna")
    ended = await asyncio.wait_for(task, PATIENCE)
    assert ended.steps[0].tries[0].text == "it was ended from outside (signal 15)"


async def test_what_a_machine_says_when_it_fails(tmp_path: Path) -> None:
    run = run_of(group("a", "x y", on_failure="continue"))
    ended, _ = await conducted(run, tmp_path, Operated(tmp_path / "jobs", bad=[run.steps[1].machine]))
    assert [(step.state, step.tries[0].text) for step in ended.steps] == [("succeeded", ""), ("failed", "no network of that name")]


async def test_what_a_test_started_is_removed_before_another_try_and_in_the_end(tmp_path: Path) -> None:
    run = run_of(group("a", "x y"), kind="test", id="r1")
    bad = run.steps[1].machine
    operations = Operated(tmp_path / "jobs", bad=[bad])
    answers: dict[str, Reply] = {"1.machine.2": "retry", "2.pre.1": "confirm"}
    files, person = RunFiles(tmp_path / "plans"), Person(answers)
    files.write(run)
    person.conductor = Conductor(run, files, operations, person)
    task = asyncio.create_task(person.conductor.conduct())
    await _until(lambda: len(of(person.conductor.run, "1.machine.2").tries) > 1)
    answers["1.machine.2"] = "skip"
    ended = await asyncio.wait_for(task, PATIENCE)

    tries = len(of(ended, "1.machine.2").tries)
    removed = [line for line in operations.begun() if "|remove_" in line]
    before = [f"plan:r1:1.machine.2:{n + 1}:before|remove_plan:r1:1.machine.2:{n}|plan_dr,_run_r1" for n in range(1, tries)]
    last = [
        "plan:r1:2.cleanup.1:1|remove_plan:r1:1.machine.1:1|plan_dr,_run_r1:_confirm:_as_told",
        f"plan:r1:2.cleanup.2:1|remove_plan:r1:1.machine.2:{tries}|plan_dr,_run_r1:_confirm:_as_told",
    ]
    assert sorted(removed) == sorted(before + last)
    assert [of(ended, f"2.cleanup.{place}").tries[0].text for place in (1, 2)] == ["its test counts as passed"] * 2
    assert ended.state == "failed"


async def test_a_full_state_directory_stops_the_run_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "AGAIN", 0.05)

    class Full(RunFiles):
        left = 3

        def write(self, run: PlanRun) -> None:
            if self.left and run.steps[0].state != "pending":
                self.left -= 1
                raise StateFailed("no space left")
            super().write(run)

    run, files, person = run_of(group("a", pre=(shell(f"echo once >> {tmp_path}/said"),))), Full(tmp_path / "plans"), Person({})
    files.write(run)
    ended = await asyncio.wait_for(Conductor(run, files, Operated(tmp_path / "jobs"), person).conduct(), PATIENCE)
    assert (ended.state, person.troubles) == ("succeeded", ["no space left"] * 3)
    assert (tmp_path / "said").read_text() == "once\n"


async def _until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Killing(RunFiles):
    """Kills its process at one of its writes: just before it, or just after it."""

    def __init__(self, directory: Path, at: int, after: bool) -> None:
        super().__init__(directory)
        self._left, self._after = at, after

    def write(self, run: PlanRun) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(run)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def _gone_on_with(directory: Path, run: str, operations: Operated, after: bool) -> None:
    """Until this process dies of its second write, or just after its first."""
    files, person = Killing(directory, 1 if after else 2, after), Person({"1.pre.2": "confirm", "2.pre.1": "skip"})
    here = files.read(run)
    assert here is not None
    person.conductor = Conductor(here, files, operations, person)
    await person.conductor.conduct()


def forked(work: Callable[[], Awaitable[object]]) -> int:
    """Its status, from a process of its own."""
    child = os.fork()
    if not child:
        try:
            asyncio.run(work())  # type: ignore[arg-type]
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_process_that_is_killed_at_every_write(tmp_path: Path) -> None:
    """Each time another process goes on; in the end everything was done once, and every word of it is there."""
    said = tmp_path / "said"
    note = f'echo "$UNDERSTUDY_STEP" >> {said}'
    run = run_of(
        group("data", "db1 db2", pre=(shell(f"{note}; sleep 0.05"), manual()), delay_seconds=0.05),
        group("rest", "x y", pre=(shell(f"{note}; exit 1"),), post=(shell(note),), parallel=1),
    )
    for after in (False, True):
        directory = tmp_path / str(after)
        said.unlink(missing_ok=True)
        RunFiles(directory / "plans").write(run)
        operations, kills = Operated(directory / "jobs"), 0
        while True:
            status = forked(partial(_gone_on_with, directory / "plans", run.id, operations, after))
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
            assert kills < 100
            if status == 0:
                break
        ended = RunFiles(directory / "plans").read(run.id)
        assert ended is not None
        assert (ended.state, len(ended.steps)) == ("succeeded", 9)
        assert {step.id: step.state for step in ended.steps if step.state != "succeeded"} == {"2.pre.1": "skipped"}
        assert Counter(said.read_text().split()) == {"1.pre.1": 1, "2.pre.1": 1, "2.post.1": 1}
        assert sorted(Counter(operations.begun()).values()) == [1] * 4
        assert [len(step.tries) for step in ended.steps] == [1] * 9
        assert kills >= 10
