"""Two sites with networks of their own, and a bad line between them: replication, partitions, failover, heal, reprotect, failback."""

import time
from pathlib import Path

from tests.live.two_sites import NAME, acknowledged, kept, sums, two_sites, until
from tests.sites.link import ADDRESSES, Line, linked

BAD = Line(delay=0.02, loss=0.01, rate=20 << 20)
"""40 ms there and back."""


def test_over_a_line_that_is_cut(kit, accelerator, short_directory: Path) -> None:
    """Site b serves its vault to site a. Whenever they are parted, each tells the truth, and what was made is whole."""
    with (
        linked(BAD) as link,
        two_sites(
            short_directory,
            kit,
            accelerator.accelerator,
            "peer",
            within=(link.command("a"), link.command("b")),
            listen=f"{ADDRESSES['b']}:8444",
        ) as (a, b, home),
    ):
        # Parted in the midst of whatever it is doing, it goes on by itself.
        for moment in (0.0, 0.4):
            made = a.points(NAME, a.machine(NAME)["points"] + 1)["points"]
            time.sleep(moment)
            link.cut()
            held = acknowledged(home.console)
            until(lambda: a.machine(NAME)["rpo_seconds"] > 4)
            if moment:
                until(lambda: "rpo" in {reason["code"] for reason in a.machine(NAME)["reasons"]})
            assert acknowledged(home.console) > held, "the guest does not wait for the vault"
            link.heal()
            a.points(NAME, made + 2)
            until(lambda: a.machine(NAME)["rpo_seconds"] < 5)
        causes = {point["cause"] for point in b.ask("GET", f"/v1/machines/{NAME}/points")["points"][1:]}
        assert causes == {"delta"}

        # Cut off for longer, it pauses its VM before another site may run it.
        a.types("understudy isolation web 60s", instead=("60s", "5s"))
        until(lambda: b.standing()["isolation_seconds"] == 5)
        until(lambda: list((a.directory / "state" / "isolation").glob("*.json")))
        link.cut()
        job = b.begin("failover", {"mode": "unplanned"})
        # Its monitor may be in the hands of a cycle that cannot reach the vault, for longer than anybody waits.
        until(lambda: a.events("failover.isolated"))
        held = acknowledged(home.console)
        done = b.ended(job)
        assert done["state"] == "succeeded", done["error"]
        (found,) = until(lambda: sums(b.console(done["result"]["run"])))
        assert 0 < int(found) <= held

        # They meet again: the old primary stands down, becomes the stand-in, and takes its machine back.
        link.heal()
        until(lambda: [r for r in a.machine(NAME)["reasons"] if r["code"] == "superseded"])
        assert acknowledged(home.console) == held
        b.typed("understudy failover commit web")
        b.typed("understudy reprotect web")
        until(lambda: (r := b.standing()["requests"]) and r[0]["outcome"] == "done")
        until(lambda: acknowledged(b.console(done["result"]["run"])) > int(found) + 3)
        back = a.typed("understudy failover planned web")
        last = acknowledged(b.console(done["result"]["run"]))
        assert kept(until(lambda: sums(a.console(back["run"]))), last)
        a.typed("understudy failover commit web")
        a.typed("understudy reprotect web")
        until(lambda: a.standing()["phase"] == "protected" and a.standing()["primary"])
        until(lambda: (r := a.standing()["requests"]) and r[0]["outcome"] == "done")
        assert b.standing()["runs"] == []
