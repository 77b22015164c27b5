"""What is made of facts, by tables."""

from pathlib import Path

import msgspec
import pytest

from understudy.engine import Standby, StandbyDisk
from understudy.errors import StateFailed, StoreUnavailable
from understudy.failover.readiness.facts import Facts, KeySeen, Space
from understudy.failover.readiness.judge import judge, worst
from understudy.failover.readiness.probe import Probe
from understudy.vault import kinds
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

SECOND, HOUR, DAY, GIB = 10**9, 3600, 86400, 1 << 30
NOW = 1_790_000_000 * SECOND


def entry(number, age, **more):
    disk = kinds.PointDisk(id=bytes(16), name="vda", size=8 * GIB, sector=512, digest=bytes(16))
    plain = kinds.Point(
        id=number.to_bytes(16, "big"),
        parent=b"",
        generation=bytes(16),
        frozen_at=NOW - round(age * SECOND),
        consistency="crash",
        method="fleecing",
        cause="delta",
        disks=(disk,),
    )
    return PointEntry(number, msgspec.structs.replace(plain, **more))


def drill(age, site="here", outcome="passed", checks=""):
    began = NOW - round(age * SECOND)
    return kinds.Drill(id=bytes(16), point=bytes(16), site=site, began_at=began, seconds=1.0, outcome=outcome, checks=checks)


def state(*points, drills=(), site="there"):
    return MachineState(id="1d" * 16, name="web", site=site, points=points, drills=drills)


DOUBTFUL = StandbyDisk(name="vda", path="/s/vda.raw", format="raw", doubt="written to")


def standby(**changes):
    plain = Standby(machine="web", machine_id="1d" * 16, state="following", since=NOW, disks=(), number=29, lag_seconds=10.0)
    return msgspec.structs.replace(plain, **changes)


OFTEN = tuple(entry(number, 10 * (30 - number) + 5) for number in range(1, 31))
WELL = Facts(
    now=NOW,
    here="here",
    state=state(*OFTEN, drills=(drill(DAY),)),
    key=KeySeen("operator", "ops", True),
    probe=Probe(seconds=0.01, stamp=0.2),
    space=Space(Path("/r"), 9 * GIB),
)

FAILED = drill(DAY, outcome="failed", checks="no agent")


def judged(**changes):
    return {finding.what: finding for finding in judge(Facts(**{name: getattr(WELL, name) for name in Facts.__slots__} | changes))}


def test_all_is_well():
    found = judged()
    assert list(found) == ["replication", "standby", "storage", "vault", "key", "clock", "drill"]
    assert {finding.verdict for finding in found.values()} == {"pass"}
    assert worst(list(found.values())) == "pass"
    assert found["replication"].words == "the newest point is 5.0 s old, and there was one each 10.0 s lately"
    assert found["clock"].words == "point 30 of there is 5.0 s old by this host's clock; the vault's file system is 200 ms apart"


@pytest.mark.parametrize(
    ("what", "verdict", "words", "changes"),
    [
        ("replication", "fail", "there is no recovery point yet", {"state": state()}),
        (
            "replication",
            "pass",
            "1 m 10 s old, and there was one each 10.0 s lately",
            {"state": state(*(entry(n, 10 * (30 - n) + 70) for n in range(1, 31)))},
        ),
        ("replication", "warn", "1 m 11 s old", {"state": state(*(entry(n, 10 * (30 - n) + 71) for n in range(1, 31)))}),
        ("replication", "pass", "3 h old", {"state": state(entry(1, 3 * HOUR))}),
        ("replication", "warn", "2 d old", {"state": state(entry(1, 2 * DAY))}),
        ("replication", "warn", "crash-consistent only: no agent", {"state": state(entry(1, 5, downgrade="no agent"))}),
        ("standby", "pass", "holds point 29, 10.0 s behind", {"standby": standby()}),
        ("standby", "warn", "1 h behind", {"standby": standby(lag_seconds=3600.0)}),
        ("standby", "warn", "10.0 s behind the newest, and is paused", {"standby": standby(state="paused")}),
        ("standby", "warn", "used by drill-1", {"standby": standby(state="in-use", used_by="drill-1")}),
        ("standby", "warn", "is not known: vda: written to", {"standby": standby(disks=(DOUBTFUL,))}),
        ("standby", "warn", "is not known", {"standby": standby(lag_seconds=None)}),
        ("standby", "fail", "cannot be read", {"standby": StateFailed("cannot be read", hint="remove it")}),
        ("storage", "warn", "could not be committed here", {"space": Space(Path("/r"), 7 * GIB)}),
        ("storage", "fail", "would soon stand still", {"space": Space(Path("/r"), GIB // 2)}),
        ("storage", "fail", "cannot be told", {"space": None}),
        ("vault", "fail", "it cannot be used: gone", {"probe": Probe(StoreUnavailable("gone"))}),
        ("vault", "pass", "writing was not tried", {"probe": Probe(written=False)}),
        ("key", "fail", "as source 'src', which cannot read points", {"key": KeySeen("source", "src", False)}),
        ("key", "fail", "does not hold the vault's present recovery key", {"key": KeySeen("operator", "old", False)}),
        ("clock", "fail", "6 m in the future", {"state": state(entry(1, -360))}),
        ("clock", "pass", "0 ms old", {"state": state(entry(1, -240))}),
        ("clock", "fail", "a drill at third was made 10 m in the future", {"state": state(*OFTEN, drills=(drill(-600, "third"),))}),
        ("clock", "fail", "5 m 1 s ahead of this host's clock", {"probe": Probe(stamp=301.0)}),
        ("clock", "fail", "5 m 1 s behind this host's clock", {"probe": Probe(stamp=-301.0)}),
        ("clock", "warn", "nothing that this host's clock could be compared with", {"state": state(), "probe": Probe()}),
        ("clock", "warn", "whether that is so cannot be told", {"state": state(entry(1, HOUR)), "probe": Probe()}),
        ("clock", "pass", "1 h old", {"state": state(entry(1, HOUR))}),
        # Our own points say nothing of another clock.
        ("clock", "warn", "nothing", {"state": state(*OFTEN, site="here"), "probe": Probe()}),
        ("drill", "warn", "it was never started here for a test", {"state": state(*OFTEN, drills=(drill(DAY, "third"),))}),
        ("drill", "warn", "100 d ago, passed", {"state": state(*OFTEN, drills=(drill(100 * DAY),))}),
        (
            "drill",
            "fail",
            "failed: no agent",
            {"state": state(*OFTEN, drills=(drill(9 * DAY), FAILED))},
        ),
    ],
)
def test_what_is_made_of(what, verdict, words, changes):
    found = judged(**changes)[what]
    assert (found.verdict, words in found.words) == (verdict, True), found
    assert found.verdict == "pass" or found.hint
