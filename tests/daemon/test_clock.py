"""The wall clock jumps by hours, both ways: no point becomes older, no cycle comes early or late, upkeep rests."""

import time
from pathlib import Path

import pytest

from understudy.daemon.notify import Notifier
from understudy.daemon.pulse import Pulse
from understudy.daemon.track import Track
from understudy.engine import Cycle, EventQuery, ReplicationPolicy
from understudy.jobs.journal import Journal
from understudy.scheduler.pace import next_due


def cycle(**fields: float) -> Cycle:
    plain = {"read_bytes": 0, "stored_bytes": 0, "scanned_blocks": 0, "changed_blocks": 0, "zero_blocks": 0, "number": 3}
    words = dict.fromkeys(("machine", "point", "cause", "reason", "method", "consistency"), "")
    return Cycle(frozen_at=time.time_ns(), **{**plain, **words, "seconds": 2.0, "rpo_seconds": 1.5, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("hours", [-5, 5])
def test_ages_and_turns_do_not_see_it(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    now = 1000.0
    track = Track("m", ReplicationPolicy(interval=60), clock=lambda: now)
    track.began = now - 2
    track.made(cycle())
    real = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: real + hours * 3600 * 10**9)
    now += 10
    assert track.rpo == 11.5
    assert track.status().rpo_seconds == 11.5
    assert next_due(track.policy, track.transfers, track.began, now) == 1058
    # A cycle during which it happened: what the wall says of it is not believed beyond its own length.
    track.made(cycle(rpo_seconds=hours * 3600.0))
    assert 0 <= (track.rpo or 0) <= 2
    assert all(0 <= transfer <= 2 for transfer in track.transfers)


@pytest.mark.parametrize("hours", [-5, 5])
async def test_it_is_told_and_upkeep_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    journal = Journal(tmp_path / "jobs")
    await journal.open()
    pulse = Pulse(Notifier(), journal, lambda: None)
    pulse._compare_clocks(time.monotonic())
    assert pulse.calm
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    pulse._compare_clocks(time.monotonic())
    pulse._compare_clocks(time.monotonic())
    assert not pulse.calm
    await journal._flush()
    told = await journal.events(EventQuery())
    assert [event.kind for event in told] == ["daemon.clock-set"]
    await journal.close()
