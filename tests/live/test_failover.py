"""Failovers between two daemons that share a vault, with a guest that counts what it wrote; by the lines that the runbook names.

Each has its vault elsewhere; UNDERSTUDY_TEST_VAULT=file, s3, az or peer puts all of them there.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any, BinaryIO

from tests.live.two_sites import NAME, SiteHouse, acknowledged, kept, sums, two_sites, until
from understudy.errors import Conflict
from understudy.recovery.image_lock import lock_image


def stands_by(site: SiteHouse, directory: Path) -> Path:
    """The image of the machine's disk that the site keeps from here on."""
    site.ask("POST", f"/v1/machines/{NAME}/standby", {"directory": str(directory)})
    until(lambda: site.ask("GET", f"/v1/machines/{NAME}/standby")["point"])
    return directory / "vda.raw"


def standby_of(done: Any) -> list[tuple[str, str]]:
    """What was said of it."""
    return [(look["verdict"], look["words"]) for look in done["findings"] if look["what"] == "standby"]


def taken(file: BinaryIO, image: Path) -> bool:
    """The image is open in another program from now on, as soon as the standby does not write to it."""
    with contextlib.suppress(Conflict):
        lock_image(file.fileno(), image)
        return True
    return False


def test_planned_there_and_back(kit, accelerator, short_directory: Path) -> None:
    """Nothing is lost on the way there, nor on the way back, which sends only what changed; each site is the other's stand-in then."""
    with two_sites(short_directory, kit, accelerator.accelerator, "s3") as (a, b, home):
        assert b.standing()["allowed"] == ["test", "planned", "unplanned"]
        assert a.standing()["allowed"] == ["test"]
        stands_by(b, short_directory / "images")
        done = b.typed("understudy failover planned web")
        last = acknowledged(home.console)
        assert (done["epoch"], done["site"], done["rpo_seconds"]) == (2, "b", 0)
        # It was brought to the last point, which was made just before.
        assert standby_of(done) == [("pass", f"it starts from this site's standby image, at point {done['number']}")]
        assert kept(until(lambda: sums(b.console(done["run"]))), last)
        assert "@button" in home.console
        standing = until(lambda: s if (s := a.standing())["phase"] == "failed_over" else None)
        assert (standing["primary"], standing["allowed"]) == (False, ["test", "unplanned"])
        halted = until(lambda: s if (s := a.machine(NAME))["phase"] == "halted" else None)
        assert halted["reasons"][0]["code"] == "superseded"
        until(lambda: acknowledged(b.console(done["run"])) > last)
        (said,) = until(lambda: [reason for reason in b.ask("GET", "/v1/health")["reasons"] if reason["code"] == "failed-over"])
        assert said["hint"] == f"understudy failover commit {NAME}"
        b.typed("understudy failover commit web")
        assert b.standing()["runs"][0]["below"] == []
        b.typed("understudy reprotect web")
        state = until(lambda: s if (s := b.standing())["phase"] == "protected" else None)
        assert (state["site"], state["primary"]) == ("b", True)
        (asked,) = until(lambda: r if (r := b.standing()["requests"]) and r[0]["outcome"] == "done" else None)
        assert (asked["action"], asked["site"]) == ("standby", "a")
        points = b.ask("GET", f"/v1/machines/{NAME}/points")["points"]
        assert {point["cause"] for point in points[1:]} == {"delta"}
        # Killed there, it is started again by the command that its state names.
        os.kill(asyncio.run(b.hypervisor.state(done["run"])).process, signal.SIGKILL)
        ended = until(lambda: r[0] if (r := b.machine(NAME)["reasons"]) and r[0]["code"] == "ended" else None)
        assert ended["hint"] == f"understudy failover start {NAME}"
        b.types("understudy failover start web")
        until(lambda: len(sums(b.console(done["run"]))) == 2 and b.machine(NAME)["phase"] == "protected")
        # And back.
        back = a.typed("understudy failover planned web")
        last = acknowledged(b.console(done["run"]))
        assert kept(until(lambda: sums(a.console(back["run"]))), last)
        a.typed("understudy failover commit web")
        a.typed("understudy reprotect web")
        until(lambda: a.standing()["phase"] == "protected" and a.standing()["primary"])
        (asked,) = until(lambda: r if (r := a.standing()["requests"]) and r[0]["outcome"] == "done" else None)
        assert b.standing()["runs"] == []


def test_unplanned_another_point_and_cancelled(kit, accelerator, short_directory: Path) -> None:
    """The machine at home is stopped as soon as its site hears of it; another point may be taken, and home is where it was."""
    with two_sites(short_directory, kit, accelerator.accelerator, "az") as (a, b, home):
        points = a.points(NAME, 4)
        assert "keeps no standby" in b.types("understudy failover unplanned web --latest-processed", code=3)
        image = stands_by(b, short_directory / "images")
        listed = b.ask("GET", f"/v1/machines/{NAME}/points")["points"]
        # QEMU cannot open what another program has.
        with image.open("r+b") as file:
            until(lambda: taken(file, image))
            done = b.typed("understudy failover unplanned web --latest-processed")
        assert done["epoch"] == 2
        ((verdict, words),) = standby_of(done)
        assert verdict == "warn"
        assert "did not start from this site's standby image" in words
        until(lambda: b.ask("GET", f"/v1/machines/{NAME}/standby")["state"] == "following")
        halted = until(lambda: s if (s := a.machine(NAME))["reasons"] and s["reasons"][0]["code"] == "superseded" else None)
        assert halted["phase"] == "halted"
        until(lambda: "paused" in a.machine(NAME)["reasons"][0]["message"])
        stood = until(lambda: b.standing()["stood_down"])
        assert (stood[0]["site"], stood[0]["running"]) == ("a", False)
        held = acknowledged(home.console)
        (first,) = until(lambda: sums(b.console(done["run"])))
        assert 0 < int(first) <= held
        # Another point, from before: nothing of the first start is in it.
        earlier = listed[0]
        again = b.typed("understudy failover change-point web@15", instead=("@15", f"@{earlier['number']}"))
        assert (again["epoch"], again["number"]) == (3, earlier["number"])
        (second,) = until(lambda: sums(b.console(again["run"])))
        assert int(second) <= int(first)
        runs = {run["run"]: run["kept"] for run in b.standing()["runs"]}
        assert runs == {done["run"]: True, again["run"]: False}
        superseded = [point["number"] for point in b.ask("GET", f"/v1/machines/{NAME}/points")["points"] if point["superseded"]]
        assert superseded
        assert b.ask("DELETE", f"/v1/machines/{NAME}/runs/{again['run']}", status=409)["error"]["code"] == "conflict"
        assert f"run {done['run']} of web is dropped" in b.types("understudy failover drop web RUN", instead=("RUN", done["run"]))
        assert [run["run"] for run in b.standing()["runs"]] == [again["run"]]
        # And back to where it was, as it was.
        back = b.typed("understudy failover cancel web")
        assert (back["site"], back["epoch"]) == ("a", 4)
        until(lambda: acknowledged(home.console) > held)
        assert len(sums(home.console)) == 1
        until(lambda: a.standing()["phase"] == "protected" and a.standing()["primary"])
        newest = a.points(NAME, points["points"] + 3)["newest_point"]
        listed = {point["number"]: point for point in a.ask("GET", f"/v1/machines/{NAME}/points")["points"]}
        assert listed[newest]["cause"] == "delta"
        assert not any(point["superseded"] for point in listed.values())
        assert b.refused("failover/commit")["code"] == "conflict"


def test_a_planned_one_is_taken_back(kit, accelerator, short_directory: Path) -> None:
    """A guest that does not shut down runs on, as does one whose shutdown is taken back."""
    with two_sites(short_directory, kit, accelerator.accelerator, "peer") as (a, b, home):
        job = b.begin("failover", {"mode": "planned"})
        until(lambda: (r := b.standing()["requests"]) and r[0]["outcome"] == "began")
        b.done("failover/cancel")
        assert b.ended(job)["state"] == "failed"
        held = acknowledged(home.console)
        until(lambda: acknowledged(home.console) > held + 3)
        until(lambda: a.standing()["phase"] == "protected" and a.machine(NAME)["phase"] == "protected")
        state = a.machine(NAME)
        a.points(NAME, state["points"] + 2)
        sums_ = sums(home.console)
        assert len(sums_) <= 2


def test_a_machine_that_is_cut_off_is_paused_before_another_runs(kit, accelerator, short_directory: Path) -> None:
    with two_sites(short_directory, kit, accelerator.accelerator, "peer") as (a, b, home):
        a.ask("PUT", f"/v1/machines/{NAME}/isolation", {"seconds": 4}, status=422)
        assert "web is paused after 5 s" in a.types("understudy isolation web 60s", instead=("60s", "5s"))
        until(lambda: b.standing()["isolation_seconds"] == 5)
        until(lambda: list((a.directory / "state" / "isolation").glob("*.json")))
        # The vault goes away for site a alone; its daemon starts anew meanwhile.
        a.end(signal.SIGKILL)
        a.config.write_text(a.config.read_text().replace(a.host.url, a.away))
        a.start(waits=False)
        until(lambda: a.log.count("event=daemon.started") == 2)
        job = b.begin("failover", {"mode": "unplanned"})
        until(lambda: asyncio.run(home.status()) == "paused")
        held = acknowledged(home.console)
        assert b.job(job)["state"] == "running"
        assert all(run["status"] != "running" for run in b.standing()["runs"])
        done = b.ended(job)["result"]
        assert done["rto_seconds"] >= 5
        (found,) = until(lambda: sums(b.console(done["run"])))
        assert int(found) <= held
        # It comes back, learns of it, and stays where it is.
        a.end(signal.SIGKILL)
        a.config.write_text(a.config.read_text().replace(a.away, a.host.url))
        a.start()
        until(lambda: a.machine(NAME)["reasons"][0]["code"] == "superseded")
        assert acknowledged(home.console) == held
        # Once that is accepted, its images become a stand-in's; nobody has to end what holds them first.
        b.done("failover/commit")
        assert asyncio.run(home.status()) == "paused"
        b.done("reprotect")
        until(lambda: (r := b.standing()["requests"]) and r[0]["outcome"] == "done")
        assert home.process is not None
        assert home.process.poll() == 0


def test_a_site_that_is_overtaken_before_its_commit_ends_what_it_runs(kit, accelerator, short_directory: Path) -> None:
    """Nothing replicates the machine there yet; and what it was at home must not run beside the replica that is at home now."""
    with two_sites(short_directory, kit, accelerator.accelerator, "file") as (a, b, home):
        stands_by(b, short_directory / "images")
        order = {"mode": "unplanned", "point": "latest-processed"}
        there = b.done("failover", order)
        assert standby_of(there) == [("pass", f"it starts from this site's standby image, at point {there['number']}")]
        until(lambda: asyncio.run(home.status()) == "paused")
        again = b.done("failover", order)
        assert again["run"] == there["run"]
        here = a.done("failover", {"mode": "unplanned"})
        assert (here["epoch"], here["site"]) == (3, "a")
        until(lambda: [run["kept"] for run in b.standing()["runs"]] == [True])
        until(lambda: (stood := a.standing()["stood_down"]) and (stood[0]["site"], stood[0]["running"]) == ("b", False))
        assert "its run here was ended" in until(lambda: b.events("failover.superseded"))[0]["message"]
        until(lambda: a.machine(NAME)["reasons"][0]["code"] == "failed-over")
        until(lambda: sums(a.console(here["run"])))
        assert asyncio.run(home.status()) == "paused"
        assert b.refused("failover/commit")["code"] == "conflict"
        # Once more: what came back to its first site is still followed from its old VM there, and it is the run that must not run on.
        last = b.done("failover", {"mode": "unplanned"})
        until(lambda: [run["kept"] for run in a.standing()["runs"]] == [True])
        until(lambda: (stood := b.standing()["stood_down"]) and (stood[0]["site"], stood[0]["running"]) == ("a", False))
        until(lambda: sums(b.console(last["run"])))
        assert [run["kept"] for run in b.standing()["runs"]] == [True, False]
