"""A recovery plan of three groups and ten machines, tested, carried out and taken back: `make endure ARGS=plan`.

Each machine is a real guest; in the test twenty run. A script fails and stops the run until a person says how it goes on, another fails
and does not, one step is a person's own. What the report says of order, parallelism, people, RPO and RTO is held against what is known
of it elsewhere, as the vault alone tells it to a third host and as the page.
"""

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cli.installed import Host
from tests.daemon.observer import all_points
from tests.endurance.record import Record, must, play, words_of
from tests.live.two_sites import Home, SiteHouse, acknowledged, kept, sites_of, sums
from understudy.demo.accelerator import find_accelerator
from understudy.demo.kit import build_kit
from understudy.engine.units import duration

PATIENCE = 600.0
MEMORY = 128
SIZE = 64 << 20
"""Room for half an hour's tallies: under emulation a guest's clock may run ahead on a busy host."""
GROUPS = {"data": ("db1", "db2", "db3"), "services": ("app1", "app2", "app3", "app4"), "front": ("web1", "web2", "web3")}
MACHINES = tuple(machine for group in GROUPS.values() for machine in group)
DELAY, PARALLEL, LAST = 3, 2, 3.0
PLAN = f"""
description = "the shop, in order"

[[group]]
name = "data"
machines = {list(GROUPS["data"])}
pre = [{{{{ kind = "script", command = ["{{script}}", "dns"] }}}}]

[[group]]
name = "services"
machines = {list(GROUPS["services"])}
parallel = {PARALLEL}
delay = {DELAY}
pre = [
    {{{{ kind = "manual", text = "switch the storage over" }}}},
    {{{{ kind = "script", command = ["{{script}}", "zone"] }}}},
]

[[group]]
name = "front"
machines = {list(GROUPS["front"])}
on-failure = "continue"
post = [{{{{ kind = "script", command = ["{{script}}", "announce"] }}}}]
"""
SCRIPT = """#!/bin/sh
echo "$UNDERSTUDY_KIND $1 $UNDERSTUDY_TRY" >> "{said}"
case "$1 $UNDERSTUDY_KIND $UNDERSTUDY_TRY" in
    zone*1) echo "no such zone" >&2; exit 3 ;;
    announce*failback*) ;;
    announce*) echo "nobody to tell" >&2; exit 4 ;;
esac
echo "$1 is done"
"""
"""`zone` succeeds when it is tried again; `announce` only on the way back."""


class Plan:
    def __init__(self, directory: Path, record: Record) -> None:
        self.directory = directory
        self.record = record
        kit = build_kit()
        accelerator = find_accelerator(kit).accelerator
        self.homes = {name: Home(directory / name, kit, accelerator, name=name, memory=MEMORY, size=SIZE) for name in MACHINES}
        for home in self.homes.values():
            home.directory.mkdir()
        self.script = directory / "script"
        self.script.write_text(SCRIPT.format(said=directory / "said"))
        self.script.chmod(0o755)

    def go(self) -> None:
        homes = list(self.homes.values())
        with sites_of(self.directory, homes, "file", interval="5s", patience=PATIENCE) as (a, b):
            self.third = Host(self.directory / "third", b.host.vault, b.host.key, {"UNDERSTUDY_SITE": "third"})
            b.ask("PUT", "/v1/plans/dr", {"text": PLAN.format(script=self.script)})
            self.record.say("ten machines are replicated", live=self._live())

            self._carried_out(b, "test")
            must(b.ask("GET", "/v1/health")["vault_id"], "the daemon is well")
            must(self._live() == len(MACHINES), "the copies are gone, and all machines still run", self._live())

            self._carried_out(b, "planned")
            last = {name: acknowledged(home.console) for name, home in self.homes.items()}
            self._came_up(b, last)
            self._turned_round(a, b)

            self._carried_out(a, "failback")
            self._came_up(a, {name: acknowledged(b.console(run)) for name, run in self._runs(b).items()})
            self._turned_round(b, a)
            self.record.say("back at home", live=self._live())

    def _carried_out(self, site: SiteHouse, kind: str) -> None:
        reason = f"the yearly {kind}"
        checked = site.ask("POST", "/v1/plans/dr/check", {"kind": kind})
        must(not checked["problems"], "nothing keeps the plan from being run", checked)
        id_ = site.ask("POST", "/v1/plans/dr/run", {"kind": kind, "reason": reason})["id"]
        path = f"/v1/plan-runs/{id_}"

        self._asks(site, path, "2.pre.1", "confirm")
        self._stands_still(site, path, after="2.pre.1")
        site.ask("POST", f"{path}/confirm", {"step": "2.pre.1", "note": f"switched for the {kind}"})
        self._asks(site, path, "2.pre.2", "failed")
        self._stands_still(site, path, after="2.pre.2")
        site.ask("POST", f"{path}/retry", {"step": "2.pre.2", "note": "the zone is there now"})
        notes = [f"switched for the {kind}", "the zone is there now"]
        if kind == "test":
            self._asks(site, path, "4.pre.1", "confirm")
            must(self._live() >= 2 * len(MACHINES), "all copies run beside the machines", self._live())
            self.record.say("all copies run", live=self._live())
            site.ask("POST", f"{path}/confirm", {"step": "4.pre.1", "note": "could log in"})
            notes.append("could log in")
        job = site.ended(id_)
        run = site.ask("GET", path)
        wanted = "succeeded" if kind == "failback" else "failed"
        must((job["state"], run["state"]) == (wanted, wanted), f"the run has {wanted}", job, run)
        self._in_order(run)
        self._told(run, kind, site.site, reason, notes)
        figures = sorted(_reached(run).values())
        self.record.say(kind, worst_rpo=max(rpo for rpo, _ in figures), worst_rto=max(rto for _, rto in figures), steps=len(run["steps"]))

    def _asks(self, site: SiteHouse, path: str, step: str, question: str) -> None:
        def asked() -> bool:
            run = site.ask("GET", path)
            must(run["state"] == "running", "the run goes on until it asks", step, run)
            return bool(_step(run, step)["question"] == question)

        site.until(asked)

    def _stands_still(self, site: SiteHouse, path: str, after: str) -> None:
        """All before it is through, and nothing after it begins."""
        time.sleep(LAST)
        steps = site.ask("GET", path)["steps"]
        place = [step["id"] for step in steps].index(after)
        unready = [step for step in steps[:place] if step["state"] != "succeeded"]
        begun = [step for step in steps[place + 1 :] if step["tries"]]
        must(not unready and not begun, f"it waits at {after}", unready, begun)

    def _in_order(self, run: Any) -> None:
        """Phase after phase; machines of a group together, as many as the plan allows."""
        phases: dict[tuple[int, str], list[Any]] = {}
        for step in run["steps"]:
            must(step["tries"], "each step was done", step)
            phases.setdefault((step["group"], step["phase"]), []).append(step)
        for (before, earlier), (after, later) in pairwise(phases.items()):
            must(
                max(end for _, end in _spans(earlier)) <= min(_spans(later))[0],
                "a phase begins when the one before is through",
                before,
                after,
            )
        for (_, phase), steps in phases.items():
            if phase in ("pre", "post"):
                must(_most(_spans(steps)) == 1, "actions come one after the other", steps)
        (wait,) = _spans(phases[2, "delay"])
        must(wait[1] - wait[0] >= DELAY * 10**9, "the delay is kept", wait)
        together = [_most(_spans(phases[number, "machines"])) for number in (1, 2, 3)]
        must(together == [3, PARALLEL, 3], "so many machines of each group come up at once", together)
        tries = {step["id"]: [one["outcome"] for one in step["tries"]] for step in run["steps"] if step["phase"] in ("pre", "post")}
        post = ["succeeded" if run["kind"] == "failback" else "failed"]
        must((tries["2.pre.2"], tries["3.post.1"]) == (["failed", "succeeded"], post), "scripts ended as they did", tries)
        said = [line.split()[1:] for line in (self.directory / "said").read_text().splitlines() if line.startswith(run["kind"])]
        must(said == [["dns", "1"], ["zone", "1"], ["zone", "2"], ["announce", "1"]], "each script ran as often as the report says", said)

    def _told(self, run: Any, kind: str, site: str, reason: str, notes: list[str]) -> None:
        """Who, when, each step, RPO and RTO: in the vault, and on the page that is made of it there."""
        must(
            (run["actor"], run["kind"], run["site"], run["reason"]) == ("root", kind, site, reason),
            "who asked for what, where and why",
            run,
        )
        must(run["reported"] and run["asked_at"] < run["ended_at"], "from when to when", run)
        said = [one for step in run["steps"] for one in step["said"]]
        must([one["note"] for one in said] == notes and {one["actor"] for one in said} == {"root"}, "who said what", said)
        must(self.third.json("plan", "report", run["id"]) == run, "the vault alone tells the same")
        page = self.directory / "report.html"
        self.third.run("plan", "report", run["id"], "--html", str(page))
        text = page.read_text()
        for words in (reason, *notes, "no such zone", "zone is done", *(step["title"] for step in run["steps"])):
            must(words in text, "the page tells it all", words)
        rows = dict(re.findall(r"<tr><td>(\w+)</td>(<td>(?:data|services|front)</td>.*?)</tr>", text))
        must(set(rows) == set(MACHINES), "the page has a row for each machine", rows)
        for machine, (rpo, rto) in _reached(run).items():
            shown = re.findall(r'<td class="number">([^<]*)</td>', rows[machine])
            must(shown[:2] == [duration(rpo), duration(rto)], "the page shows RPO and RTO", machine, rpo, rto, shown)

    def _came_up(self, site: SiteHouse, last: dict[str, int]) -> None:
        """Each guest found all that it had acknowledged at the other site."""
        for name, run in self._runs(site).items():
            found = site.until(lambda run=run: sums(site.console(run)))
            must(kept(found, last[name]), "each guest finds what it had acknowledged", name, found, last[name])
        self.record.say("all guests found what they had acknowledged", site=site.site, acknowledged=last)

    def _turned_round(self, old: SiteHouse, new: SiteHouse) -> None:
        """Committed and replicated from there; the first point of each holds only what changed."""

        def one(name: str) -> None:
            failed_over = new.standing(name)["failover"]["point"]
            new.done("failover/commit", name=name)
            new.done("reprotect", name=name)
            new.until(lambda: (state := new.standing(name))["phase"] == "protected" and state["primary"])
            (asked,) = new.until(lambda: r if (r := new.standing(name)["requests"]) and r[0]["outcome"] not in ("", "began") else None)
            must(asked["outcome"] == "done", "its former site becomes its stand-in", name, asked)

            def reverse() -> Any:
                points = all_points(new, name)[0]
                (place,) = [place for place, point in enumerate(points) if point["id"] == failed_over]
                return points[place + 1 : place + 2]

            (first,) = new.until(reverse)
            must(first["cause"] == "delta", "the first point of the way back is a delta", name, first)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(one, MACHINES))
        must(not any(old.standing(name)["runs"] for name in MACHINES), "nothing is left of them at the other site")
        self.record.say("committed and replicated the other way", site=new.site)

    def _runs(self, site: SiteHouse) -> dict[str, str]:
        return {name: site.standing(name)["runs"][0]["run"] for name in MACHINES}

    def _live(self) -> int:
        """QEMUs of ours that run."""
        return sum(1 for line in _command_lines() if line.startswith(b"qemu-system") and f"{self.directory}/".encode() in line)


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().removeprefix(b"/usr/bin/")
        except (FileNotFoundError, ProcessLookupError):
            continue


def _step(run: Any, id_: str) -> Any:
    return next(step for step in run["steps"] if step["id"] == id_)


def _spans(steps: Iterable[Any]) -> list[tuple[int, int]]:
    """From each step's first beginning to its last end."""
    return [(step["tries"][0]["began_at"], step["tries"][-1]["ended_at"]) for step in steps]


def _most(spans: list[tuple[int, int]]) -> int:
    """So many of them at once."""
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def _reached(run: Any) -> dict[str, tuple[float, float]]:
    """RPO and RTO of each machine, in seconds, by the instants that the report names."""
    found = {}
    for step in run["steps"]:
        if step["phase"] == "machines":
            began, ended = _spans([step])[0]
            must(step["number"] and began <= step["running_at"] <= ended, "its guest ran before its step had ended", step)
            rpo, rto = max(run["asked_at"] - step["frozen_at"], 0), step["running_at"] - run["asked_at"]
            found[step["title"]] = (rpo / 1e9, rto / 1e9)
    return found


def main() -> None:
    asked = words_of(__doc__).parse_args()
    play("plan", asked.out, lambda directory, record: Plan(directory, record).go())


if __name__ == "__main__":
    main()
