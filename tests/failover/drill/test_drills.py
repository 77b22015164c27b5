"""Test failovers of a machine whose replication goes on: started, looked at, removed, and remembered."""

import pytest

from tests.failover.drill.site import Site, unseen
from understudy.engine import CleanUpDrill, ConsoleCheck, Drill, DrillState, RunningCheck, ScriptCheck, StartDrill, TcpCheck
from understudy.errors import Conflict, InvalidRequest, NotFound
from understudy.failover.drill.files import Kept
from understudy.machine.definition import MachineDefinition
from understudy.machine.reading import from_toml
from understudy.replica.values import StartReplica

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)
BRIEF = (RunningCheck(seconds=0.2),)


async def test_an_older_point_beside_a_replication_that_goes_on(site: Site, kit) -> None:
    await site.protect(kit)
    older = await site.point(b"older...")
    await site.point(b"newer...")
    phases: list[str] = []
    checks = (ConsoleCheck(pattern="^@up"), ConsoleCheck(pattern="^@had older"))
    drill = await site.drills().start(
        StartDrill(machine="web", point=older.point, checks=checks, note="before the audit"),
        ONE,
        lambda now: phases.append(now.phase),
    )
    assert [(check.outcome, check.words) for check in drill.checks] == [
        ("passed", "the console shows '@up'"),
        ("passed", "the console shows '@had older...'"),
    ]
    assert (drill.outcome, drill.state, drill.number, drill.site, drill.note) == (
        "passed",
        "standing",
        older.number,
        "there",
        "before the audit",
    )
    assert phases == ["choose", "export", "start", *(f"check: console {check.pattern}" for check in checks), "evidence"]
    assert [step.what for step in drill.steps] == ["its disks are there", "its guest runs", "it was looked at"]
    assert [step.seconds for step in drill.steps] == sorted(step.seconds for step in drill.steps)
    assert drill.running_after == drill.steps[1].seconds
    # It is another machine for whoever meets it.
    started = from_toml(drill.definition)
    assert started.nics[0].mac != "52:54:00:57:a4:04"
    said = await site.stage.says(f"drill-{ONE}", "@up")
    assert f"@uuid {started.uuid}" in said
    assert started.uuid != "00112233-4455-6677-8899-aabbccddeeff"
    # Replication goes on beside it, and its point is held.
    third = await site.point(b"third...")
    assert (await site.engine.points("web")).points[-1].id == third.point
    assert [hold.point for hold in await site.engine.holds("web")] == [older.point]
    # One at a time; the other one is named.
    with pytest.raises(Conflict, match=f"test {ONE} of web is not cleaned up: standing, point {older.number}"):
        await site.drills().start(StartDrill(machine="web"), TWO, unseen)
    # Said again, it is the same one.
    assert await site.drills().start(StartDrill(machine="web"), ONE, unseen) == drill
    assert site.files.get(ONE, "picture").endswith(site.files.get(ONE, "console.txt")[-20:])
    assert b"@had older" in site.files.get(ONE, "console.txt")
    # Not before nothing is left does it count.
    _, log = await site.ground.log_of("web")
    assert log.state.drills == ()
    before = log.state.points
    done = await site.drills().clean_up(CleanUpDrill(machine="web", note="all well"), unseen)
    assert (done.state, done.outcome, done.note) == ("cleaned", "passed", "all well")
    await site.nothing_is_left()
    _, log = await site.ground.log_of("web")
    (record,) = log.state.drills
    assert (record.id.hex(), record.point.hex(), record.site, record.outcome, record.note) == (
        ONE,
        older.point,
        "there",
        "passed",
        "all well",
    )
    assert record.seconds == drill.running_after
    assert record.checks == "console ^@up; console ^@had older"
    assert log.state.points == before
    # Said again, nothing happens twice.
    assert await site.drills().clean_up(CleanUpDrill(machine="web", drill=ONE[:6]), unseen) == done
    assert len((await site.ground.log_of("web"))[1].state.drills) == 1


async def test_points_to_choose_from(site: Site, kit) -> None:
    await site.protect(kit)
    drills = site.drills()
    with pytest.raises(Conflict, match="no recovery point yet"):
        await drills.start(StartDrill(machine="web"), ONE, unseen)
    cycle = await site.point(b"1")
    for point, words in {
        "latest-app": "no app-consistent point",
        "latest-processed": "no standby image",
        "0" * 32: "has no point '0000",
    }.items():
        with pytest.raises(NotFound, match=words):
            await drills.start(StartDrill(machine="web", point=point), ONE, unseen)
    with pytest.raises(NotFound):
        await drills.start(StartDrill(machine="other"), ONE, unseen)
    with pytest.raises(NotFound, match="no test of web stands here"):
        await drills.clean_up(CleanUpDrill(machine="web"), unseen)
    with pytest.raises(InvalidRequest, match="a script is not named"):
        await drills.start(StartDrill(machine="web", checks=(ScriptCheck(program="/bin/true"),)), ONE, unseen)
    with pytest.raises(InvalidRequest):
        await drills.start(StartDrill(machine="web", cleanup=True, keep_for=5), ONE, unseen)
    # Of all that nothing is left to be cleaned up.
    assert site.files.all() == []
    site.ground.standby = cycle.point
    drill = await drills.start(StartDrill(machine="web", point="latest-processed", checks=BRIEF, cleanup=True), ONE, unseen)
    assert (drill.point, drill.state) == (cycle.point, "cleaned")


async def test_one_that_is_not_well(site: Site, kit) -> None:
    """Nothing answers at its port, and one check says so; an operator may judge otherwise."""
    await site.protect(kit)
    await site.point(b"1")
    site.ground.own = (*BRIEF, TcpCheck(port=22, timeout=2))
    drill = await site.drills().start(StartDrill(machine="web", keep_for=60), ONE, unseen)
    assert (drill.outcome, drill.state, [check.outcome for check in drill.checks]) == ("failed", "standing", ["passed", "failed"])
    assert drill.keep_until is not None
    assert drill.keep_until - drill.asked_at > 60 * 10**9
    ((_, guest),) = drill.forwards
    assert guest == 22
    with pytest.raises(NotFound, match="is of web, not of db"):
        await site.drills().clean_up(CleanUpDrill(machine="db", drill=ONE), unseen)
    done = await site.drills().clean_up(CleanUpDrill(machine="web", passed=True, note="port 22 is closed on purpose"), unseen)
    assert done.outcome == "passed"
    (record,) = (await site.ground.log_of("web"))[1].state.drills
    assert record.outcome == "passed"
    assert record.checks.startswith("running for 0.2 s; tcp 22 failed: not within 2 s")
    await site.nothing_is_left()


async def test_one_that_does_not_start(site: Site, kit) -> None:
    await site.protect(kit, kernel=None, machine="pc-of-nobody")
    await site.point(b"1")
    with pytest.raises(Conflict, match="web did not start from point") as caught:
        await site.drills().start(StartDrill(machine="web", checks=BRIEF, cleanup=True), ONE, unseen)
    assert "machine type" in caught.value.message
    kept = site.files.find(ONE)
    assert (kept.drill.state, kept.drill.outcome, kept.drill.running_after) == ("cleaned", "failed", None)
    await site.nothing_is_left()
    (record,) = (await site.ground.log_of("web"))[1].state.drills
    assert (record.outcome, record.seconds) == ("failed", 0.0)
    assert record.checks.startswith("it did not start: ")


async def test_the_newest_are_remembered(site: Site, monkeypatch) -> None:
    monkeypatch.setattr("understudy.failover.drill.files.KEPT", 2)
    template = site.files
    definition = MachineDefinition(name="web", uuid="00112233-4455-6677-8899-aabbccddeeff", memory=1 << 20)
    order = StartReplica(run="r", machine="m", point="p", definition=definition)

    def put(id_: str, at: int, state: DrillState, machine: str = "m") -> None:
        point = {"point": "p", "number": 1, "frozen_at": 1, "consistency": "crash"}
        drill = Drill(id=id_, machine="web", machine_id=machine, site="there", network="isolated", state=state, asked_at=at, **point)
        template.write(Kept(drill=drill, order=order, checks=()))

    for number in range(5):
        put(f"{number:032x}", number, "standing" if number == 0 else "cleaned")
    put("f" * 32, 0, "cleaned", "other")
    template.put(f"{1:032x}", "picture", b"png")
    template.thin("m")
    assert [int(kept.drill.id[:8] + kept.drill.id[-1], 16) for kept in template.all() if kept.drill.machine_id == "m"] == [0, 3, 4]
    assert template.open("m").drill.id == f"{0:032x}"
    assert template.open("other") is None
    assert not (site.root / "s" / "drills" / f"{1:032x}").exists()
    with pytest.raises(Conflict, match="3 tests begin with"):
        template.find("000")
    with pytest.raises(NotFound):
        template.find("")
