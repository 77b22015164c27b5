"""Failovers between two daemons that share a vault, with a guest that counts what it wrote."""

from pathlib import Path

from tests.live.two_sites import NAME, acknowledged, sums, two_sites, until


def test_planned_there_and_back(kit, accelerator, short_directory: Path) -> None:
    """Nothing is lost on the way there, nor on the way back, which sends only what changed; each site is the other's stand-in then."""
    with two_sites(short_directory, kit, accelerator.accelerator) as (a, b, home):
        assert b.standing()["allowed"] == ["test", "planned", "unplanned"]
        assert a.standing()["allowed"] == ["test"]
        done = b.done("failover", {"mode": "planned"})
        last = acknowledged(home.console)
        assert (done["epoch"], done["site"], done["rpo_seconds"]) == (2, "b", 0)
        assert until(lambda: sums(b.console(done["run"]))) == [str(last)]
        assert "@button" in home.console
        standing = until(lambda: s if (s := a.standing())["phase"] == "failed_over" else None)
        assert (standing["primary"], standing["allowed"]) == (False, ["test", "unplanned"])
        halted = until(lambda: s if (s := a.machine(NAME))["phase"] == "halted" else None)
        assert halted["reasons"][0]["code"] == "superseded"
        until(lambda: acknowledged(b.console(done["run"])) > last)
        b.done("failover/commit")
        assert b.standing()["runs"][0]["below"] == []
        b.done("reprotect")
        state = until(lambda: s if (s := b.standing())["phase"] == "protected" else None)
        assert (state["site"], state["primary"]) == ("b", True)
        (asked,) = until(lambda: r if (r := b.standing()["requests"]) and r[0]["outcome"] == "done" else None)
        assert (asked["action"], asked["site"]) == ("standby", "a")
        points = b.ask("GET", f"/v1/machines/{NAME}/points")["points"]
        assert {point["cause"] for point in points[1:]} == {"delta"}
        # And back.
        back = a.done("failover", {"mode": "planned"})
        last = acknowledged(b.console(done["run"]))
        assert until(lambda: sums(a.console(back["run"]))) == [str(last)]
        a.done("failover/commit")
        a.done("reprotect")
        until(lambda: a.standing()["phase"] == "protected" and a.standing()["primary"])
        (asked,) = until(lambda: r if (r := a.standing()["requests"]) and r[0]["outcome"] == "done" else None)
        assert b.standing()["runs"] == []
