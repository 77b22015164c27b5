"""A standby's health, as a table."""

import pytest

from understudy.engine import Failure, Standby
from understudy.scheduler.retry import Kind
from understudy.scheduler.standing import StandbyFacts, standby_health, threshold

LATE = Standby(
    machine="web", machine_id="1d" * 16, state="following", since=0, disks=(), point="aa", number=3, frozen_at=0, behind=2, lag_seconds=90.0
)
FAILURE = Failure(code="target_failed", message="no space left", hint="free some")


def told(facts: StandbyFacts) -> tuple[str, list[str]]:
    health, reasons = standby_health(facts)
    return health, [f"{reason.code}: {reason.message}" for reason in reasons]


def standby(**changes: object) -> Standby:
    return Standby(**{field: getattr(LATE, field) for field in LATE.__struct_fields__} | changes)


@pytest.mark.parametrize(
    ("facts", "health", "words"),
    [
        (StandbyFacts(name="web", standby=None), "normal", []),
        (StandbyFacts(name="web", standby=standby(behind=0)), "normal", []),
        (StandbyFacts(name="web", standby=LATE, since=59.0), "normal", []),
        (StandbyFacts(name="web", standby=LATE, since=61.0), "warning", ["standby-late: its standby is 2 points behind, 1 m 30 s"]),
        (StandbyFacts(name="web", standby=LATE, since=61.0, apart=30.0), "normal", []),
        (
            StandbyFacts(name="web", standby=standby(point="", behind=None), since=61.0),
            "warning",
            ["standby-late: its standby is not whole yet"],
        ),
        (
            StandbyFacts(name="web", standby=standby(state="paused"), since=61.0),
            "warning",
            ["standby-paused: an operator has paused its standby"],
        ),
        (
            StandbyFacts(name="web", standby=standby(state="in-use", used_by="failover 7"), since=61.0),
            "normal",
            ["standby-in-use: its standby is in use: failover 7"],
        ),
        (StandbyFacts(name="web", standby=standby(behind=0), failure=FAILURE, kind=Kind.PASSES, failures=1), "normal", []),
        (
            StandbyFacts(name="web", standby=standby(behind=0), failure=FAILURE, kind=Kind.PERSON, failures=1),
            "warning",
            ["standby-failed: its standby fails: no space left"],
        ),
        (
            StandbyFacts(name="web", standby=None, failure=FAILURE, kind=Kind.FAULT, failures=1),
            "critical",
            ["standby-failed: its standby fails: no space left"],
        ),
        (
            StandbyFacts(name="web", standby=standby(behind=0), written="/i", site="b"),
            "warning",
            ["standby-written: its standby is not brought on: a VM, or another program, has /i open for writing on this host"],
        ),
        (
            StandbyFacts(name="web", standby=standby(behind=0), written="/i", site="b", runs=True),
            "critical",
            ["standby-written: it runs at 'b', and perhaps here, too: a VM, or another program, has /i open for writing"],
        ),
        (StandbyFacts(name="web", standby=standby(behind=0), turned="a bit turned"), "warning", ["standby-damage: a bit turned"]),
    ],
)
def test_health(facts: StandbyFacts, health: str, words: list[str]) -> None:
    assert told(facts) == (health, words)


def test_the_lag_that_worries() -> None:
    assert [threshold(apart) for apart in (0.0, 5.0, 60.0)] == [60.0, 60.0, 180.0]
