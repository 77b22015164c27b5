"""Cycles, pauses between them, failures that pass and failures that stay, and stopping."""

import os
import signal

import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from understudy.cli import pacing, replicate, stopping
from understudy.errors import Busy, Fenced, InDoubt, OverQuota, SourceUnavailable, StoreUnavailable, UnderstudyError
from understudy.heap import LASTING, Bounds

CYCLE = {
    *("event", "machine", "point", "number", "frozen_at", "cause", "reason", "method", "consistency", "scanned_blocks"),
    *(
        "changed_blocks",
        "zero_blocks",
        "read_bytes",
        "stored_bytes",
        "seconds",
        "rpo_seconds",
        "downgrade",
        "paused_seconds",
        "quiesced_seconds",
    ),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_DELAY", 0.01)


def test_one_cycle_is_made(engine: FakeEngine, typed: Typed) -> None:
    result = typed("replicate", "web")
    assert result.exit_code == 0, result.stderr
    assert engine.asked == [("replicate", "web"), "cycle"]
    assert result.stdout.startswith("point 8 (cc080000) at ")
    (line,) = lines(typed("replicate", "web", "--json"))
    assert line.keys() == CYCLE
    assert (line["event"], line["number"]) == ("cycle", 9)


def test_cycles_are_made_each_interval(engine: FakeEngine, typed: Typed) -> None:
    result = typed("replicate", "web", "--every", "10ms", "--cycles", "3", "--json")
    assert [line["number"] for line in lines(result)] == [8, 9, 10]
    assert engine.asked.count(("replicate", "web")) == 1


@pytest.mark.parametrize(
    ("repeated", "expected"),
    [((), []), (("--cycles", "2"), []), (("--every", "10ms", "--cycles", "2"), [LASTING])],
    ids=["one", "two", "each interval"],
)
def test_memory_is_bounded_for_one_that_waits_only_if_it_waits(
    engine: FakeEngine, typed: Typed, monkeypatch: pytest.MonkeyPatch, repeated: tuple[str, ...], expected: list[Bounds]
) -> None:
    bounds: list[Bounds] = []
    monkeypatch.setattr(stopping, "bound", bounds.append)
    assert typed("replicate", "web", *repeated).exit_code == 0
    assert bounds == expected


def test_failures_that_may_pass_are_tried_again(engine: FakeEngine, typed: Typed) -> None:
    engine.opening_failures.append(StoreUnavailable("no answer"))
    engine.failures.extend([None, SourceUnavailable("no VM", hint="start it"), InDoubt("who knows"), None])
    result = typed("replicate", "web", "--every", "10ms", "--cycles", "1", "--json")
    assert result.exit_code == 0, result.output
    told = lines(result)
    assert [line["event"] for line in told] == ["retry", "retry", "retry", "cycle"]
    assert told[1]["error"] == {"code": "source_unavailable", "message": "no VM", "hint": "start it", "retryable": True, "exit_code": 12}
    assert told[0]["retry_seconds"] > 0


def test_a_person_reads_of_a_retry_on_stderr(engine: FakeEngine, typed: Typed) -> None:
    engine.failures.extend([None, SourceUnavailable("no VM")])
    result = typed("replicate", "web")
    assert result.stderr.startswith("warning: no VM; trying again in ")
    assert result.stdout.startswith("point 8")


@pytest.mark.parametrize("error", [Fenced("another is primary"), Busy("owned by 12 (understudy replicate web)")])
def test_failures_that_stay_end_it(engine: FakeEngine, typed: Typed, error: UnderstudyError) -> None:
    engine.failures.extend([None, error])
    result = typed("replicate", "web", "--every", "10ms")
    assert result.exit_code == error.exit_code
    assert engine.open_now == 0


def test_a_single_cycle_is_not_tried_for_ever(engine: FakeEngine, typed: Typed) -> None:
    engine.failures.extend([None, *[StoreUnavailable("no answer")] * 20])
    result = typed("replicate", "web", "--json")
    assert result.exit_code == 10
    told = lines(result)
    assert [line.get("event", "end") for line in told] == ["retry"] * (replicate.ATTEMPTS - 1) + ["end"]
    assert told[-1]["error"]["code"] == "store_unavailable"


def test_a_single_cycle_does_not_wait_for_a_larger_quota(engine: FakeEngine, typed: Typed) -> None:
    engine.failures.extend([OverQuota("the quota is used up"), None])
    result = typed("replicate", "web")
    assert (result.exit_code, result.stdout) == (10, "")
    assert "the quota is used up" in result.stderr
    engine.failures.appendleft(OverQuota("the quota is used up"))
    followed = typed("replicate", "web", "--every", "10ms", "--cycles", "1")
    assert followed.exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_cycles_ends_it_at_once(engine: FakeEngine, typed: Typed, number: int) -> None:
    after(0.2, number)
    result = typed("replicate", "web", "--every", "1h")
    assert result.exit_code == 0
    assert engine.asked.count("cycle") == 1
    assert engine.open_now == 0


def test_a_signal_in_a_cycle_lets_it_finish(engine: FakeEngine, typed: Typed) -> None:
    engine.cycle_seconds = 0.4
    after(0.1, signal.SIGTERM)
    result = typed("replicate", "web", "--every", "1s", "--json")
    assert result.exit_code == 0
    assert len(lines(result)) == 1
    assert engine.abandoned == 0


def test_a_cycle_that_takes_too_long_is_abandoned(engine: FakeEngine, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.1)
    engine.cycle_seconds = 3600
    after(0.1, signal.SIGTERM)
    result = typed("replicate", "web", "--every", "1s", "--json")
    assert (result.exit_code, result.stdout, engine.abandoned, engine.open_now) == (0, "", 1, 0)


def test_a_second_signal_abandons_the_cycle(engine: FakeEngine, typed: Typed) -> None:
    engine.cycle_seconds = 3600
    after(0.1, signal.SIGINT)
    after(0.2, signal.SIGINT)
    assert typed("replicate", "web", "--every", "1s").exit_code == 0
    assert engine.abandoned == 1


def test_a_signal_ends_a_pause_after_a_failure(engine: FakeEngine, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_DELAY", 3600.0)
    monkeypatch.setattr(pacing, "LONGEST_DELAY", 3600.0)
    engine.failures.extend([None, StoreUnavailable("no answer")])
    after(0.2, signal.SIGTERM)
    assert typed("replicate", "web", "--every", "1s").exit_code == 0


def test_the_next_cycle_is_due_an_interval_after_the_last_began() -> None:
    assert pacing.next_due(started=10.0, every=5.0, now=12.0) == 15.0
    assert pacing.next_due(started=10.0, every=1.0, now=42.5) == 42.5


def test_pauses_grow_to_a_limit_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_DELAY", 0.5)
    assert [pacing.backoff(failures, 1.0) for failures in (1, 2, 3, 7, 8, 100_000)] == [0.5, 1.0, 2.0, 32.0, 60.0, 60.0]
    assert pacing.backoff(3, 0.0) == 1.0


def after(seconds: float, number: int) -> None:
    """Send this process a signal in a while. A process of its own does it: the test's thread sits in the command's event loop."""
    os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", f"sleep {seconds}; kill -{number:d} {os.getpid()}")
