"""Recovery plans: in which order machines are brought up elsewhere, what is done around it, and one run of such a plan."""

from typing import Literal, TypeAlias

from understudy.engine.values import Value

PlanKind: TypeAlias = Literal["test", "planned", "unplanned", "failback"]
"""What a run does with each machine."""
PlanPoint: TypeAlias = Literal["latest", "latest-processed", "latest-app"]
"""Which point a test or an unplanned run starts from."""
OnFailure: TypeAlias = Literal["stop", "continue"]
Repeat: TypeAlias = Literal["yes", "ask"]
Phase: TypeAlias = Literal["delay", "pre", "machines", "post", "cleanup"]
"""`cleanup`: what a test has started of a machine is removed."""
StepState: TypeAlias = Literal["pending", "running", "asking", "succeeded", "failed", "skipped"]
Question: TypeAlias = Literal["", "confirm", "failed", "unknown"]
"""What a step that asks wants to hear: that a person has done it; what to do after it failed; whether it had been done."""
Reply: TypeAlias = Literal["confirm", "retry", "skip", "abort"]
RunState: TypeAlias = Literal["running", "succeeded", "failed", "aborted"]


class Script(Value, frozen=True, tag="script", tag_field="kind"):
    """A program of the host that runs the plan. `command`: an absolute path and its arguments; no shell reads them.

    `timeout`: seconds. `user`: whose rights it has; empty: the daemon's own, which is root as a rule. `repeat`: what becomes of it when
    it was begun and nobody knows how it ended, since its host went down: it is run again, or a person is asked.
    """

    command: tuple[str, ...]
    timeout: float = 300.0
    user: str = ""
    repeat: Repeat = "ask"


class Manual(Value, frozen=True, tag="manual", tag_field="kind"):
    """Something that a person does, and then confirms."""

    text: str


Action: TypeAlias = Script | Manual


class PlanGroup(Value, frozen=True):
    """Machines (names or ids) that are brought up together, once all groups before are through.

    First `delay_seconds` pass, then the actions of `pre` are done one after the other, then the machines, `parallel` at once (0: all),
    then the actions of `post`. Where one of these fails the plan stops and asks, or with `continue` goes on.
    """

    name: str
    machines: tuple[str, ...] = ()
    pre: tuple[Action, ...] = ()
    post: tuple[Action, ...] = ()
    delay_seconds: float = 0.0
    on_failure: OnFailure = "stop"
    parallel: int = 0


class RecoveryPlan(Value, frozen=True):
    groups: tuple[PlanGroup, ...]
    description: str = ""


class SetPlan(Value, frozen=True):
    """Keep this plan (TOML) under `name` in the vault, instead of the one that had that name."""

    name: str
    text: str


class ShownPlan(Value, frozen=True):
    """`text`: as it was set. `revision`: its record's number in the vault's settings, another one whenever it is set."""

    name: str
    text: str
    plan: RecoveryPlan
    revision: int
    set_at: int
    set_by: str
    """The name of the key that it was signed with."""


class PlanEntry(Value, frozen=True):
    """A plan in the list. `problem`: why it cannot be read; then nothing else is known of it."""

    name: str
    revision: int
    set_at: int
    set_by: str
    description: str = ""
    groups: int = 0
    machines: int = 0
    problem: str = ""


class RunPlan(Value, frozen=True):
    """`revision`: only if the plan still is what it was when somebody looked at it; 0: whatever it is. `reason`: for the report.
    `cleanup`: what a test has started is removed as soon as its last group is through; else a person is asked before.
    """

    plan: str
    kind: PlanKind
    point: PlanPoint = "latest"
    revision: int = 0
    reason: str = ""
    cleanup: bool = False


class PlannedStep(Value, frozen=True):
    """What a run would do. `problems`: what would keep it from it, or is to be known before."""

    id: str
    group: str
    title: str
    machine: str = ""
    point: str = ""
    """The point that a machine would be started from as things are now."""
    number: int = 0
    frozen_at: int | None = None
    problems: tuple[str, ...] = ()


class PlanChecked(Value, frozen=True):
    """A dry run: every step in order. Nothing was changed."""

    plan: str
    kind: PlanKind
    revision: int
    steps: tuple[PlannedStep, ...]
    problems: tuple[str, ...] = ()
    """Of the plan as a whole."""

    @property
    def ready(self) -> bool:
        return not self.problems and not any(step.problems for step in self.steps)


class Try(Value, frozen=True):
    """A step, done once. `text`: how it ended, in words; `output`: what a script said, its beginning and its end; `job`: as the step's."""

    began_at: int
    ended_at: int | None = None
    outcome: Literal["", "succeeded", "failed", "unknown"] = ""
    text: str = ""
    output: str = ""
    job: str = ""


class Said(Value, frozen=True):
    """What a person said to a step, or to the run."""

    reply: Reply
    actor: str
    at: int
    note: str = ""


class PlanStep(Value, frozen=True):
    """One step of a run. `chosen`: the id of the point that a machine is to start from, where that was decided beforehand; `job`: the
    daemon's job that brings it up, or removes what a test started; `running_at`: when its guest ran."""

    id: str
    group: int
    phase: Phase
    title: str
    machine: str = ""
    state: StepState = "pending"
    question: Question = ""
    tries: tuple[Try, ...] = ()
    said: tuple[Said, ...] = ()
    chosen: str = ""
    job: str = ""
    point: str = ""
    number: int = 0
    frozen_at: int | None = None
    running_at: int | None = None


class PlanRun(Value, frozen=True):
    """One run of a plan, as it was when it began, and how far it is; in the end it is the report. `id`: the job's. The plan of a test
    that starts machines has one group more: the last, in which its copies are removed."""

    id: str
    name: str
    revision: int
    plan: RecoveryPlan
    kind: PlanKind
    point: PlanPoint
    reason: str
    actor: str
    site: str
    asked_at: int
    steps: tuple[PlanStep, ...]
    state: RunState = "running"
    aborted: Said | None = None
    ended_at: int | None = None
    reported: bool = False
    """The vault has it."""


class PlanRunEntry(Value, frozen=True):
    """A run in the list; times in seconds, None where no machine tells."""

    id: str
    plan: str
    kind: PlanKind | None
    state: RunState
    actor: str
    site: str
    asked_at: int
    ended_at: int | None
    steps: int
    done: int
    asking: tuple[str, ...]
    """Steps that wait for a person, by their ids."""
    worst_rpo: float | None
    worst_rto: float | None
    """Of it, in the machine that it is of, a person was waited for: `worst_rto_waited`."""
    reported: bool
    worst_rto_waited: float | None = None
    problem: str = ""
    """Why its report cannot be read."""


class AnswerStep(Value, frozen=True):
    """What a person says to a run. `step` empty: the one that asks, if it is one alone; to abort needs none."""

    reply: Reply
    step: str = ""
    note: str = ""


DONE: tuple[StepState, ...] = ("succeeded", "failed", "skipped")
