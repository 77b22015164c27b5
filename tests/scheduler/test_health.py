"""Health by tables: each reason has a stable code, a health, and says what to do."""

from typing import Any

import msgspec
import pytest

from understudy.engine import Failure, ReplicationPolicy
from understudy.scheduler.health import Facts, health_of
from understudy.scheduler.retry import Kind

DAY = 86400.0
WELL = Facts(name="web", policy=ReplicationPolicy(interval=60), rpo=30.0, followed_for=1000.0, transfers=(1.0, 1.0))
DOWN = Failure(code="store_unavailable", message="the vault does not answer", hint="look at it", retryable=True)
FENCED = Failure(code="fenced", message="another site is the primary")


@pytest.mark.parametrize(
    ("facts", "health", "codes"),
    [
        ({}, "normal", []),
        ({"rpo": 121.0}, "warning", ["rpo"]),
        ({"rpo": 301.0}, "critical", ["rpo"]),
        ({"rpo": 301.0, "closed": True}, "warning", ["rpo"]),
        ({"rpo": None}, "warning", ["initial"]),
        ({"rpo": None, "waiting": True}, "normal", ["initial-later"]),
        ({"rpo": None, "failure": DOWN, "kind": Kind.PASSES, "failures": 9}, "critical", ["no-point", "store_unavailable"]),
        ({"failure": DOWN, "kind": Kind.PASSES, "failures": 1}, "normal", ["store_unavailable"]),
        ({"failure": DOWN, "kind": Kind.PASSES, "failures": 2}, "warning", ["store_unavailable"]),
        ({"failure": DOWN, "kind": Kind.PASSES, "failures": 9, "rpo": 1000.0}, "critical", ["rpo", "store_unavailable"]),
        ({"failure": FENCED, "kind": Kind.OVER, "failures": 1}, "critical", ["fenced"]),
        ({"failure": FENCED, "kind": Kind.PERSON, "failures": 1}, "critical", ["fenced"]),
        ({"failure": DOWN, "kind": Kind.BUSY, "failures": 1}, "warning", ["store_unavailable"]),
        ({"failure": DOWN, "kind": Kind.FAULT, "failures": 1}, "critical", ["fault"]),
        ({"transfers": (61.0,)}, "warning", ["transfer-too-long"]),
        ({"missed_lately": 3}, "warning", ["missed"]),
        ({"downgrade": "no agent"}, "warning", ["downgrade"]),
        ({"resync": "disk vda was resized"}, "warning", ["resynchronizing"]),
        ({"policy": ReplicationPolicy(paused=True), "rpo": 1e6}, "warning", ["paused"]),
        ({"has_retention": True, "can_prune": False}, "normal", ["no-prune"]),
        ({"verified_age": 3 * 86400.0}, "warning", ["unverified"]),
        ({"verified_age": 3 * 86400.0, "can_verify": False}, "normal", []),
        ({"points": 3}, "normal", ["never-tested"]),
        ({"points": 3, "drilled_age": 89 * DAY}, "normal", []),
        ({"points": 3, "drilled_age": 91 * DAY}, "warning", ["untested"]),
        ({"points": 3, "drilled_age": 91 * DAY, "policy": ReplicationPolicy(drill_warning=0)}, "normal", []),
        ({"points": 3, "drilled_age": 14 * DAY, "policy": ReplicationPolicy(drill_every=7 * DAY)}, "normal", []),
        ({"points": 3, "drilled_age": 16 * DAY, "policy": ReplicationPolicy(drill_every=7 * DAY)}, "warning", ["untested"]),
        ({"points": 3, "drilled_age": DAY, "drill_failure": "agent failed: silent"}, "warning", ["drill-failed"]),
        ({"points": 3, "drilled_age": DAY, "drill_stands": 2 * DAY}, "warning", ["drill-stands"]),
        ({"points": 3, "drilled_age": DAY, "drill_stands": 3600.0}, "normal", []),
    ],
)
def test_health(facts: dict[str, Any], health: str, codes: list[str]) -> None:
    found, reasons = health_of(msgspec.structs.replace(WELL, **facts))
    assert found == health
    assert [reason.code for reason in reasons] == codes
    for reason in reasons:
        assert reason.message
        assert reason.hint or reason.code in ("initial", "initial-later", "fenced")


@pytest.mark.parametrize("rpo", [11240.0, None])
def test_a_machine_that_is_late_says_how_much_and_what_fails(rpo: float | None) -> None:
    late = msgspec.structs.replace(WELL, rpo=rpo, failure=DOWN, kind=Kind.PASSES, failures=9)
    first = health_of(late)[1][0]
    assert first.message == ("there is no recovery point yet" if rpo is None else "the newest point is 3 h 7 m old, more than 5 m")
    assert first.hint == "its cycles fail: the vault does not answer"


@pytest.mark.parametrize(("rpo", "kind"), [(130.0, Kind.PASSES), (11240.0, Kind.PERSON)])
def test_a_failure_that_was_told_before_the_age_is_not_told_twice(rpo: float, kind: Kind) -> None:
    told = health_of(msgspec.structs.replace(WELL, rpo=rpo, failure=DOWN, kind=kind, failures=9))[1]
    assert [reason.code for reason in told] == ["store_unavailable", "rpo"]
    assert told[1].hint == "its cycles fail"
