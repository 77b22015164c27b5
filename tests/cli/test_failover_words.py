"""What is said before a machine is started from a point that is not the newest."""

import msgspec

from tests.cli.fake_engine import point
from understudy.cli.failover_words import held_by, lacking
from understudy.engine import Standby

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
    assert held_by(standby(number=9, frozen_at=NEWEST.frozen_at, behind=0), NEWEST).endswith("it is the newest")
    assert held_by(standby(), NEWEST) == "the point that this site's standby image is being brought to"
