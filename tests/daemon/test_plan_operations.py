"""A plan's steps as jobs: what they are begun with is taken, and what they give is understood."""

from typing import Any, get_args

import msgspec
import pytest

from understudy.daemon.plan_operations import MADE, ReadinessOf, made, outcome_of
from understudy.daemon.work import work_of
from understudy.engine import Authority, Cycle, Drill, FailedOver, Failure, Job, PlanKind, PlanPoint, Readiness
from understudy.errors import Unsupported
from understudy.failover.plans.operations import Outcome

SECOND = 1_000_000_000
BEGAN = 1_800_000_000 * SECOND
MACHINE = "1d" * 16


def test_every_kind_is_made() -> None:
    assert set(MADE) == set(get_args(PlanKind))


@pytest.mark.parametrize("kind", get_args(PlanKind))
@pytest.mark.parametrize("point", get_args(PlanPoint))
def test_the_parameters_are_those_of_the_job(kind: PlanKind, point: PlanPoint) -> None:
    if point not in MADE[kind].points:
        with pytest.raises(Unsupported):
            made(kind, point)
        return
    how = made(kind, point)
    for id_ in ("", "ab" * 16):
        work_of(how.kind, MACHINE, how.parameters({"point": point, "id": id_, "reason": "plan dr, run r1"}), "j1")


def ended(result: Any = None, error: Failure | None = None, **changes: Any) -> Job:
    job = Job(
        id="j1",
        kind="failover",
        machine=MACHINE,
        parameters={},
        actor="anna",
        state="succeeded" if error is None else "failed",
        created_at=BEGAN - SECOND,
        started_at=BEGAN,
        ended_at=BEGAN + 30 * SECOND,
        result=None if result is None else msgspec.to_builtins(result),
        error=error,
    )
    return msgspec.structs.replace(job, **changes)


def least(kind: type[Any], **fields: Any) -> Any:
    """A value of `kind` with these fields; the others are the plainest."""
    plain: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False}
    needed = {field.encode_name: plain.get(field.type) for field in msgspec.structs.fields(kind) if field.required}
    return kind(**(needed | fields))


FAILED_OVER = least(FailedOver, machine="web", mode="unplanned", point="ab" * 16, number=7, rpo_seconds=3.0, rto_seconds=8.5)
DRILL = least(Drill, machine="web", point="cd" * 16, number=9, frozen_at=BEGAN, running_after=2.5, outcome="passed", network="isolated")


@pytest.mark.parametrize(
    ("job", "outcome"),
    [
        (ended(state="running"), None),
        (ended(FAILED_OVER), Outcome(True, "", BEGAN + 30 * SECOND, "ab" * 16, 7, None, BEGAN + 8_500_000_000)),
        (ended(DRILL), Outcome(True, "", BEGAN + 30 * SECOND, "cd" * 16, 9, None, BEGAN + 2_500_000_000)),
        (
            ended(msgspec.structs.replace(DRILL, outcome="failed")),
            Outcome(
                False, "it was started, and is not well: its checks failed", BEGAN + 30 * SECOND, "cd" * 16, 9, None, BEGAN + 2_500_000_000
            ),
        ),
        (ended(error=Failure(code="conflict", message="no")), Outcome(False, "no", BEGAN + 30 * SECOND)),
        (
            ended(msgspec.structs.replace(DRILL, outcome="failed"), kind="drill-cleanup"),
            Outcome(True, "its test counts as failed", BEGAN + 30 * SECOND),
        ),
        (
            ended(error=Failure(code="not_found", message="no"), kind="drill-cleanup"),
            Outcome(True, "nothing of it is here", BEGAN + 30 * SECOND),
        ),
        (ended(error=Failure(code="conflict", message="no"), kind="drill-cleanup"), Outcome(False, "no", BEGAN + 30 * SECOND)),
        (ended(state="cancelled", note="by anna"), Outcome(False, "job j1 was cancelled: by anna", BEGAN + 30 * SECOND)),
        (ended(least(Cycle, machine="web", point="ef" * 16, number=3)), Outcome(True, "", BEGAN + 30 * SECOND, "ef" * 16, 3)),
    ],
)
def test_what_a_job_gives_is_understood(job: Job, outcome: Outcome | None) -> None:
    assert outcome_of(job) == outcome


@pytest.mark.parametrize(
    ("kind", "phase", "primary", "words"),
    [
        ("planned", "protected", False, ""),
        ("failback", "protected", False, ""),
        ("planned", "protected", True, "planned of machine 'web' is not possible: it is protected (protected), its primary is here"),
        ("unplanned", "committed", False, ""),
        ("planned", "committed", False, "its failover was committed"),
        ("test", "protected", True, ""),
        ("test", "initial_replication", False, "it has no recovery point yet"),
    ],
)
async def test_what_the_state_of_a_machine_forbids_is_told_beforehand(kind: PlanKind, phase: Any, primary: bool, words: str) -> None:
    async def authority(machine: str) -> Authority:
        return least(Authority, machine="web", phase=phase, site="a", primary=primary)

    async def check(machine: str) -> Readiness:
        return least(Readiness, machine="web", items=())

    readiness = ReadinessOf(check, authority)
    refusal = await readiness.refusal(kind, MACHINE)
    assert words in refusal
    assert bool(words) == bool(refusal)
    assert list(await readiness.check(kind, MACHINE)) == ([refusal] if refusal else [])
