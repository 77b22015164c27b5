"""Recovery plans in memory: one plan, one run that waits for a person, and what is said to it."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.cli.fake_engine import FIRST_FREEZE, SECOND
from understudy.engine import AnswerStep, PlanChecked, PlanEntry, PlanRun, PlanRunEntry, RunPlan, SetPlan, ShownPlan, entry_of
from understudy.engine.plan_text import plan_of
from understudy.engine.plans import PlannedStep, PlanStep, Said, Try
from understudy.errors import NotFound

TEXT = """
description = "all, in order"
[[group]]
name = "data"
machines = ["web"]
pre = [{ kind = "manual", text = "turn the key" }]
post = [{ kind = "script", command = ["/usr/local/sbin/dns", "up"] }]
"""


def a_run(**changes: Any) -> PlanRun:
    """It waits for somebody who turns the key."""
    asked = FIRST_FREEZE + 100 * SECOND

    steps = (
        PlanStep(
            id="1.pre.1",
            group=1,
            phase="pre",
            title="turn the key",
            state="asking",
            question="confirm",
            tries=(Try(began_at=asked + SECOND),),
        ),
        PlanStep(id="1.machine.1", group=1, phase="machines", title="web", machine="1d" * 16),
        PlanStep(id="1.post.1", group=1, phase="post", title="/usr/local/sbin/dns up"),
    )
    plain = PlanRun(
        id="019aa0b0c0d0e0f0a0b0",
        name="dr",
        revision=4,
        plan=plan_of(TEXT),
        kind="test",
        point="latest",
        reason="the yearly one",
        actor="anna",
        site="host-b",
        asked_at=asked,
        steps=steps,
    )
    return msgspec.structs.replace(plain, **changes)


@dataclass
class FakePlans:
    """`said`: every answer, and who gave it."""

    texts: dict[str, str] = field(default_factory=lambda: {"dr": TEXT})
    run: PlanRun = field(default_factory=a_run)
    said: list[tuple[AnswerStep, str]] = field(default_factory=list)

    def entries(self) -> tuple[PlanEntry, ...]:
        return tuple(
            PlanEntry(
                name=name,
                revision=4,
                set_at=FIRST_FREEZE,
                set_by="ops",
                description=plan_of(text).description,
                groups=1,
                machines=sum(len(group.machines) for group in plan_of(text).groups),
            )
            for name, text in sorted(self.texts.items())
        )

    def shown(self, name: str) -> ShownPlan:
        if name not in self.texts:
            raise NotFound(f"there is no recovery plan {name!r} in this vault")
        text = self.texts[name]
        return ShownPlan(name=name, text=text, plan=plan_of(text), revision=4, set_at=FIRST_FREEZE, set_by="ops")

    def set(self, request: SetPlan) -> ShownPlan:
        plan_of(request.text)
        self.texts[request.name] = request.text
        return self.shown(request.name)

    def remove(self, name: str) -> PlanEntry:
        self.shown(name)
        entry = next(entry for entry in self.entries() if entry.name == name)
        del self.texts[name]
        return entry

    def check(self, request: RunPlan) -> PlanChecked:
        problems = {"pre": (), "machines": (), "post": ("there is no program",)}
        steps = [
            PlannedStep(id=step.id, group="data", title=step.title, machine=step.machine, problems=problems[step.phase])
            for step in self.run.steps
        ]
        return PlanChecked(plan=request.plan, kind=request.kind, revision=4, steps=tuple(steps))

    def runs(self) -> tuple[PlanRunEntry, ...]:
        return (entry_of(self.run),)

    def found(self, run: str) -> PlanRun:
        if run != self.run.id:
            raise NotFound(f"there is no report of a run {run!r} in this vault")
        return self.run

    def answer(self, run: str, answer: AnswerStep, actor: str) -> PlanRun:
        self.found(run)
        self.said.append((answer, actor))
        word = Said(reply=answer.reply, actor=actor, at=self.run.asked_at + 9 * SECOND, note=answer.note)
        first = msgspec.structs.replace(self.run.steps[0], state="succeeded", question="", said=(word,))
        second = msgspec.structs.replace(self.run.steps[1], state="running", tries=(Try(began_at=word.at),))
        self.run = msgspec.structs.replace(self.run, steps=(first, second, self.run.steps[2]))
        return self.run


@dataclass
class FakePlanEngine:
    plans_now: FakePlans = field(default_factory=FakePlans)

    async def plans(self) -> tuple[PlanEntry, ...]:
        return self.plans_now.entries()

    async def plan(self, name: str) -> ShownPlan:
        return self.plans_now.shown(name)

    async def set_plan(self, request: SetPlan) -> ShownPlan:
        return self.plans_now.set(request)

    async def remove_plan(self, name: str) -> PlanEntry:
        return self.plans_now.remove(name)


class FakePlanService:
    """`engine` has the plans."""

    engine: Any

    async def check_plan(self, request: RunPlan) -> PlanChecked:
        await self._called()
        return self.engine.plans_now.check(request)

    async def plan_runs(self) -> tuple[PlanRunEntry, ...]:
        await self._called()
        return self.engine.plans_now.runs()

    async def plan_run(self, run: str) -> PlanRun:
        await self._called()
        return self.engine.plans_now.found(run)

    async def answer_plan(self, run: str, answer: AnswerStep, actor: str) -> PlanRun:
        await self._called()
        return self.engine.plans_now.answer(run, answer, actor)

    async def _called(self) -> None:
        raise NotImplementedError
