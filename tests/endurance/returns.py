"""An old primary that returns at any moment: `python -m tests.endurance.returns --seconds 3600 --out returns.jsonl`.

A machine is failed over without its primary, which was away in one of the ways in which a host is; it returns when the new site has come to
one state or another. Then it must be fenced: it does not start the machine, nor replicate it, it pauses one that runs there, and its status
says why and what to do, as critical; the log has one authority; and the operator can go on until the old primary is the new one's stand-in.
From then on the sites have changed their parts: the next one that returns is the other. Needs root. Ends with an error if it was not so.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.endurance.consoles import HOME
from tests.endurance.hand import Goal, Hand
from tests.endurance.outcome import Outcomes
from tests.endurance.world import FULL, Broken, World, ready, short_directory, world
from tests.live.two_sites import NAME
from tests.sites.link import ADDRESSES, Line, Link, linked
from understudy.demo.accelerator import Finding, find_accelerator
from understudy.demo.kit import Kit, build_kit
from understudy.errors import UnderstudyError

CUT_OFF = "cut off"
AWAY = ("daemon killed", "host off", "stopped", CUT_OFF, "monitor held", "never away")
STATES = ("failing over", "failed over", "another point", "committed", "reprotecting", "protected again")
ISOLATION = (0, 5)
HALTS = {"failing over": ("failover", ("prepare", "record", "stop", "start")), "reprotecting": ("reprotect", ("follow", "end"))}
BEFORE_THE_RECORD = ("prepare", "record")
"""Steps at which the old primary is the primary still."""


class Returning:
    """`link`: of the sites' networks, where they have some."""

    def __init__(self, here: World, link: Link | None, chance: random.Random, away: str, state: str, isolation: int) -> None:
        self.here, self.link, self.chance = here, link, chance
        self.away, self.state, self.isolation = away, state, isolation
        self.hand = Hand(here)
        self.holds = ExitStack()
        self.line: dict[str, Any] = {"away": away, "state": state, "isolation": isolation, "broken": ""}

    def run(self) -> dict[str, Any]:
        began = time.monotonic()
        try:
            with self.holds:
                self._do()
        except (Broken, AssertionError, UnderstudyError) as error:
            self.line["broken"] = str(error)[:3000] or "an assertion"
        return self.line | {"seconds": round(time.monotonic() - began, 1), "said": self.hand.said}

    def _do(self) -> None:
        here = self.here
        _, site, _ = here.primary()
        self.old, self.new = here.sites[site], here.other(here.sites[site])
        self.line |= {"old": self.old.site, "from": "home" if here.source == HOME else "a failover"}
        if here.standing(self.old)["isolation_seconds"] != self.isolation:
            self.old.ask("PUT", f"/v1/machines/{NAME}/isolation", {"seconds": self.isolation})
            here.until(lambda: here.standing(self.new)["isolation_seconds"] == self.isolation, "the other site hears of isolation", 60)
        time.sleep(3)  # points, of which another can be taken
        since = here.consoles.look
        self._leave()
        self._fail_over()
        self._told()
        self._is_fenced()
        if self.away in (CUT_OFF, "never away") and self.isolation and (both := here.consoles.together(since)):
            raise Broken(f"two ran at once: {both}")
        self.line["together"] = here.consoles.together(since)
        self._goes_on()

    def _leave(self) -> None:
        old, here = self.old, self.here
        here.absent.add(old.site)
        match self.away:
            case "daemon killed" | "monitor held":
                old.end(signal.SIGKILL)
            case "host off":
                old.end(signal.SIGKILL)
                here.kill(here.source_process())
            case "stopped":
                old.send(signal.SIGSTOP)
            case "cut off":
                assert self.link is not None
                self.link.cut()
        if self.away == "monitor held":
            self._hold_monitor()

    def _hold_monitor(self) -> None:
        run = self.here.source.partition(":")[2]
        path = self.old.hypervisor.sockets(run)[0] if run else self.here.home.qmp
        client = self.holds.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(path))

    def _return(self) -> None:
        old, here = self.old, self.here
        match self.away:
            case "daemon killed" | "monitor held":
                old.start()
            case "host off":
                if here.source == HOME:
                    # Its host starts what it had when it comes up.
                    here.home.kill()
                    here.home.start()
                    time.sleep(self.chance.uniform(0, 4))
                old.start()
            case "stopped":
                old.send(signal.SIGCONT)
            case "cut off":
                assert self.link is not None
                self.link.heal()
        here.absent.clear()
        self.returned = time.monotonic()

    def _fail_over(self) -> None:
        """Until the state in which it returns."""
        here, new = self.here, self.new
        kind, steps = HALTS.get(self.state, ("", ()))
        step = self.chance.choice(steps) if steps else ""
        self.line["step"] = step
        if kind == "failover":
            self._halted(kind, step, "failover", {"mode": "unplanned"}, Goal("failed_over", new.site, "unplanned"))
            return
        self.hand.reach(Goal("failed_over", new.site, "unplanned"))
        if self.state == "another point":
            present = here.standing(new)["failover"]["point"]
            first = here.consoles.heard[here.source].acknowledged[0].at
            others = [one["id"] for one in here.points(new) if not one["superseded"] and one["frozen_at"] > first and one["id"] != present]
            self.hand.reach(Goal("failed_over", new.site, "unplanned", self.chance.choice(others[-8:])))
        self.line["found"] = here.began_well(self._present(), all_of_it=False)
        if self.state in ("committed", "reprotecting", "protected again"):
            self.hand.reach(Goal("committed", new.site))
        if kind:
            self._halted(kind, step, "reprotect", None, Goal("protected", new.site))
            return
        if self.state == "protected again":
            self.hand.reach(Goal("protected", new.site))
        self._return()

    def _halted(self, kind: str, step: str, path: str, body: Any, goal: Goal) -> None:
        """It returns while the new site stands still before that step."""
        here, new = self.here, self.new
        here.halt_at(new, kind, step)
        with ThreadPoolExecutor(1) as asking:
            asked = asking.submit(self.hand.begin, new, path, body)
            here.until(lambda: not (new.directory / "halt").exists(), f"{kind} comes to {step}")
            here.until(lambda: here.halted(new), "it stands still", 10)
            try:
                self._return()
                # Site b serves the vault where the sites have networks: nobody is told anything while it stands still.
                if step not in BEFORE_THE_RECORD and self.link is None:
                    # It is told of by the log alone; but what says that the site knows it needs not be said by the site that stands still.
                    self._told()
                else:
                    time.sleep(self.chance.uniform(0, 5))
            finally:
                here.go_on(new)
            job = asked.result()
        self.hand.reach(goal, job)
        if "told after" not in self.line:
            self.returned = time.monotonic()

    def _present(self) -> str:
        (run,) = [run for run in self.here.standing(self.new)["runs"] if run["status"] == "running" and not run["kept"]]
        return f"{self.new.site}:{run['run']}"

    def _told(self) -> None:
        """By its status; or it is the stand-in already."""
        if "told after" in self.line:
            return
        here, old = self.here, self.old

        def told() -> Any:
            state = here.asked(old, f"/v1/machines/{NAME}")
            for reason in (state or {"reasons": []})["reasons"]:
                if reason["code"] in ("superseded", "split") and "is being stopped" not in reason["message"]:
                    return reason | {"machine": state["health"]}
            asked = (here.standing(old) or {"requests": []})["requests"]
            done = [one for one in asked if (one["action"], one["site"], one["outcome"]) == ("standby", old.site, "done")]
            return {"code": "stand-in", "health": "", "machine": "", "message": "", "hint": "-"} if done else None

        reason = here.until(told, "the old primary is told", 120)
        self.line["told after"] = round(time.monotonic() - self.returned, 1)
        self.line["told"] = f"{reason['code']} ({reason['health']}): {reason['message']}"
        if reason["code"] != "stand-in" and (reason["health"], reason["machine"]) != ("critical", "critical"):
            raise Broken(f"it is not critical: {reason}")
        if not reason["hint"]:
            raise Broken(f"nothing is said of what to do: {reason}")
        if self.away == "monitor held" and reason["code"] != "split":
            raise Broken(f"its VM cannot be reached, and that is not told: {reason}")

    def _is_fenced(self) -> None:
        here, old = self.here, self.old
        self.holds.close()
        here.until(self._silent, f"{here.source} is stopped at {old.site}", 90)
        process = here.source_process()
        if process and here.stands_still(process):
            # Isolation had no other way, and only a person ends it then.
            here.until(self._to_be_ended, "it is told that it must be ended by hand")
            self.line["ended by hand"] = here.kill(process)
        elif process and here.source == HOME:
            self.line["at home"] = status = asyncio.run(here.home.status())
            if status not in ("paused", "shutdown"):
                raise Broken(f"it is {status} at home")
        phase, site, console = here.primary()
        if site != self.new.site:
            raise Broken(f"its primary is {site}")
        if phase in ("failed_over", "committed"):
            before = len(here.points(self.new))
            time.sleep(4)
            if len(here.points(self.new)) != before:
                raise Broken("a point was made, and nobody replicates it")
        here.goes_on(console)
        strange = [run for run in here.runs(old) if f"{old.site}:{run}" != here.source]
        if strange:
            raise Broken(f"the old primary has started {strange}")
        here.must_be_sound()

    def _to_be_ended(self) -> bool:
        reasons = (self.here.asked(self.old, f"/v1/machines/{NAME}") or {"reasons": []})["reasons"]
        return any("by hand" in reason["message"] for reason in reasons)

    def _silent(self) -> bool:
        before = self.here.consoles.heard[self.here.source].last
        time.sleep(3)
        return self.here.consoles.heard[self.here.source].last == before

    def _goes_on(self) -> None:
        """To the end: the old primary is the stand-in."""
        here, new = self.here, self.new
        if here.standing(new)["phase"] == "failed_over":
            self.hand.reach(Goal("committed", new.site))
        if here.standing(new)["phase"] == "committed":
            self.hand.reach(Goal("protected", new.site))
        here.stands_in(new, self._present())
        here.must_be_sound()


@contextlib.contextmanager
def _new_world(kit: Kit, accelerator: Finding, apart: bool) -> Iterator[tuple[World, Link | None]]:
    """`apart`: site a reaches the vault, which b serves, over a network that can be cut."""
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        if not apart:
            yield stack.enter_context(world(directory, kit, accelerator)), None
            return
        link = stack.enter_context(linked(Line()))
        inside = (link.command("a"), link.command("b"))
        yield stack.enter_context(world(directory, kit, accelerator, "peer", inside=inside, listen=f"{ADDRESSES['b']}:8444")), link


def _combinations(chance: random.Random) -> Iterator[tuple[str, str, int]]:
    """Each pair of two of the three before any other; then all that are left."""
    left = [(away, state, isolation) for away in AWAY for state in STATES for isolation in ISOLATION]
    # Who never was away is told before anything else can be done.
    left = [one for one in left if one[0] != "never away" or one[1] in STATES[:2]]
    chance.shuffle(left)
    seen: set[tuple[str, Any]] = set()
    while left:
        best = max(left, key=lambda one: sum(part not in seen for part in enumerate(map(str, one))))
        left.remove(best)
        seen |= set(enumerate(map(str, best)))
        if all((0, away) in seen for away in AWAY) and all((1, state) in seen for state in STATES):
            seen.clear()
        yield best


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--seconds", type=float, default=3600.0)
    words.add_argument("--out", type=Path, help="a line of JSON for each combination; logs of broken ones are kept beside it")
    asked = words.parse_args()
    ready()
    chance = random.Random(asked.seed)
    outcomes = Outcomes(asked.out)
    kit = build_kit()
    accelerator = find_accelerator(kit)
    until = time.monotonic() + asked.seconds
    left = _combinations(chance)
    found = next(left, None)
    while found is not None and time.monotonic() < until:
        apart = found[0] == CUT_OFF
        with _new_world(kit, accelerator, apart) as (here, link):
            while found is not None and (found[0] == CUT_OFF) == apart and time.monotonic() < until:
                outcomes.tell(Returning(here, link, chance, *found).run())
                found = next(left, None)
                if outcomes.lines[-1]["broken"]:
                    outcomes.keep(here)
                # It is site a alone that can be cut off, and not from what is its own.
                if apart or outcomes.lines[-1]["broken"] or here.consoles.heard[here.source].last > FULL:
                    break
    print(outcomes.table("away", "state"))
    sys.exit("\n".join(f"{line['away']}, returned when {line['state']}: {line['broken']}" for line in outcomes.broken) or 0)


if __name__ == "__main__":
    main()
