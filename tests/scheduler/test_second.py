"""The health of a machine's copy in a second vault, as a table."""

import shlex

import pytest

from understudy.engine import Failure, ReplicationPolicy, Second
from understudy.scheduler.retry import Kind
from understudy.scheduler.second import SecondFacts, second_health, second_thresholds

POLICY = ReplicationPolicy(interval=60.0)
GONE = Failure(code="store_unavailable", message="no answer", hint="look")
OTHER = Failure(code="diverged", message="somebody wrote there", hint="look")


def facts(
    failure: Failure | None = None,
    kind: Kind | None = None,
    failures: int = 0,
    since: float = 0.0,
    verified_age: float | None = None,
    **second: object,
) -> SecondFacts:
    shown = {"url": "file:///third", "state": "copying", "point": 3, "frozen_at": 0, "behind": 2, "lag_seconds": 10.0, **second}
    return SecondFacts(
        policy=POLICY,
        second=Second(**shown),  # type: ignore[arg-type]
        since=since,
        failure=failure,
        kind=kind,
        failures=failures,
        verified_age=verified_age,
    )


def test_what_is_to_be_typed_can_be() -> None:
    url = "s3://bucket/x?endpoint=https://s3.example&credentials=/etc/s3.toml"
    _, (reason,) = second_health(facts(url=url, damage="packs/1: is missing"))
    assert reason.hint.startswith(f"`understudy vault copy verify {shlex.quote(url)}` ")


def test_thresholds_follow_from_the_policy() -> None:
    assert second_thresholds(POLICY) == (300.0, 750.0)
    assert second_thresholds(ReplicationPolicy(interval=1.0)).warning == 82.0


@pytest.mark.parametrize(
    ("found", "health", "words"),
    [
        (SecondFacts(policy=POLICY, second=None, failure=GONE, kind=Kind.PERSON, failures=9), "normal", []),
        (facts(), "normal", []),
        (facts(lag_seconds=300.0), "normal", []),
        (facts(lag_seconds=301.0), "warning", ["second-late: its copy in the second vault is 2 points behind, 5 m 1 s"]),
        (facts(lag_seconds=751.0), "critical", ["second-late: its copy in the second vault is 2 points behind, 12 m 31 s"]),
        (facts(behind=0, lag_seconds=0.0, since=9999.0), "normal", []),
        (facts(damage="packs/1: is missing"), "critical", ["second-damaged: its copy in the second vault is damaged: packs/1: is missing"]),
        (facts(verified_age=2 * 86400.0 + 3600), "normal", []),
        (
            facts(verified_age=3 * 86400.0),
            "warning",
            ["second-unverified: its copy in the second vault was verified 3 d ago, and should be each 1 d"],
        ),
        (
            facts(point=None, lag_seconds=None, since=301.0),
            "warning",
            ["second-late: its copy in the second vault has none of its points yet"],
        ),
        (facts(point=None, lag_seconds=None, behind=0, since=301.0), "normal", []),
        (facts(failure=GONE, kind=Kind.PASSES, failures=1), "normal", []),
        (
            facts(failure=GONE, kind=Kind.PASSES, failures=2),
            "warning",
            ["second-failed: its second vault at file:///third is not brought on: no answer"],
        ),
        (
            facts(failure=GONE, kind=Kind.PASSES, failures=2, point=None, lag_seconds=None, behind=None, since=751.0),
            "critical",
            [
                "second-failed: its second vault at file:///third is not brought on: no answer",
                "second-late: its copy in the second vault was not reached since the daemon began",
            ],
        ),
        (
            facts(failure=OTHER, kind=Kind.PERSON, failures=1),
            "critical",
            ["second-failed: its second vault at file:///third is not brought on: somebody wrote there"],
        ),
    ],
)
def test_health(found: SecondFacts, health: str, words: list[str]) -> None:
    got, reasons = second_health(found)
    assert (got, [f"{reason.code}: {reason.message}" for reason in reasons]) == (health, words)
