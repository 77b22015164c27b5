"""Failovers between two daemons that share a vault, with a guest that counts what it wrote."""

from pathlib import Path

from tests.live.two_sites import NAME, acknowledged, sums, two_sites, until


def test_planned_and_back(kit, accelerator, short_directory: Path) -> None:
    """Nothing is lost on the way there; cancelled, the machine goes on at home."""
    with two_sites(short_directory, kit, accelerator.accelerator) as (a, b, home):
        assert b.standing()["allowed"] == ["test", "planned", "unplanned"]
        assert a.standing()["allowed"] == ["test"]
        done = b.done("failover", {"mode": "planned"})
        last = acknowledged(home.console)
        assert (done["epoch"], done["site"], done["rpo_seconds"]) == (2, "b", 0)
        found = until(lambda: sums(b.console(done["run"])))
        assert found == [str(last)]
        assert "@button" in home.console
        until(lambda: acknowledged(b.console(done["run"])) > last)
        standing = until(lambda: s if (s := a.standing())["phase"] == "failed_over" else None)
        assert (standing["primary"], standing["allowed"]) == (False, ["test", "unplanned"])
        halted = until(lambda: s if (s := a.machine(NAME))["phase"] == "halted" else None)
        assert halted["reasons"][0]["code"] == "superseded"
