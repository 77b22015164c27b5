"""What is said before a machine is started from a point that is not the newest, and of failovers that were."""

import msgspec

from tests.cli.fake_engine import point
from understudy.cli.failover_show import past
from understudy.cli.failover_words import held_by, lacking, taken_back
from understudy.engine import Authority, FailoverEntry, Standby

NEWEST = msgspec.structs.replace(point(9, "22" * 16), frozen_at=1_700_000_042_000_000_000)


def standby(**told: object) -> Standby:
    return Standby(**{"machine": "web", "machine_id": "1" * 32, "state": "following", "since": 0, "disks": ()} | told)  # type: ignore[arg-type]


def test_what_will_not_be_there_is_said_before() -> None:
    assert lacking(1_700_000_000_000_000_000, NEWEST) == (
        "; the newest is point 9, frozen 42.0 s later: what was written between will not be there"
    )
    behind = held_by(standby(number=7, frozen_at=1_700_000_000_000_000_000, behind=2), NEWEST)
    assert behind.startswith("point 7, which this site's standby image holds, frozen at ")
    assert behind.endswith("42.0 s later: what was written between will not be there")
    for late in (0, 1):
        assert held_by(standby(number=9, frozen_at=NEWEST.frozen_at, behind=late), NEWEST).endswith("it is the newest")
    assert held_by(standby(), NEWEST) == "the point that this site's standby image is being brought to"


def stands(mode: str) -> Authority:
    entry = FailoverEntry(
        epoch=3, site="a", before="a", point="22" * 16, mode=mode, reason="", at=1_700_000_000_000_000_000, committed_at=1
    )
    return Authority(machine="web", id="1" * 32, phase="protected", epoch=3, site="a", primary=True, newest=9, allowed=(), failover=entry)


def test_a_failover_that_was_cancelled_is_not_called_committed() -> None:
    (line,) = past(stands("cancel"))
    assert line.startswith("failover: cancelled at ")
    assert line.endswith("it goes on at site a, from point 22222222")
    assert "committed" not in line
    assert "committed at" in past(stands("planned"))[0]


def test_a_cancellation_takes_back_more_than_the_change_that_is_under_way() -> None:
    assert taken_back(stands("unplanned"), "a") == "web will be ended here at once, and goes on at site a"
    midst = msgspec.structs.replace(stands("unplanned"), under_way="a failover (change) was decided and has not ended")
    assert taken_back(midst, "a").startswith("a failover (change) was decided and has not ended; not that alone is taken back: web will be")
