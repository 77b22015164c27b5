"""One operation, hit at one step by one fault, and what must hold then."""

import random
import signal
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.endurance.hand import Goal, Hand
from tests.endurance.lost_vault import AWAY, LOSSES, LostVault
from tests.endurance.world import Broken, World
from tests.live.two_sites import NAME

KINDS = {
    "test": "test-failover",
    "clean-up": "drill-cleanup",
    "planned": "failover",
    "unplanned": "failover",
    "failback": "failover",
    "take-back": "cancel-failover",
    "change-point": "change-point",
    "cancel": "cancel-failover",
    "commit": "commit-failover",
    "reprotect": "reprotect",
}
FAULTS = ("acting daemon", "other daemon", "source QEMU", "target QEMU", *(f"vault {loss}" for loss in LOSSES))
CHECKS = {"checks": [{"kind": "console", "pattern": "^@sum", "timeout": 120}]}


class Trial:
    """`steps`: those of the operation that were met, of which more are learned."""

    def __init__(self, chance: random.Random, here: World, vault: LostVault, steps: list[str], op: str, step: str, fault: str) -> None:
        self.chance, self.here, self.vault, self.steps = chance, here, vault, steps
        self.op, self.step, self.fault = op, step, fault
        self.hand = Hand(here)
        self.line: dict[str, Any] = {"operation": op, "step": step, "fault": fault, "met": False, "broken": ""}

    def run(self, site: str) -> dict[str, Any]:
        """`site`: where the machine is."""
        began, here = time.monotonic(), self.here
        self.present = here.sites[site]
        moves = self.op in ("test", "clean-up", "planned", "unplanned", "failback", "take-back")
        self.acting = here.other(self.present) if moves else self.present
        try:
            self._do()
        except (Broken, AssertionError) as error:
            self.line["broken"] = str(error)[:3000] or "".join(traceback.format_exception(error))[-1500:]
        self.line |= {"seconds": round(time.monotonic() - began, 1), "said": self.hand.said}
        for name, kind, step in here.new_steps():
            if name == self.acting.site and kind == KINDS[self.op] and step not in self.steps:
                self.steps.append(step)
        return self.line

    def _do(self) -> None:
        here, since = self.here, self.here.consoles.look
        alone = self._prepared()
        path, body, goal = self._request()
        here.new_steps()
        here.halt_at(self.acting, KINDS[self.op], self.step)
        halt = self.acting.directory / "halt"
        with ThreadPoolExecutor(1) as asking:
            # A daemon may stand still before it can answer.
            asked = asking.submit(self.hand.begin, self.acting, path, body)
            here.until(lambda: not halt.exists() or (asked.done() and self._ended(asked.result())), f"{self.op} comes to {self.step}")
            self._hit_where_it_is(halt)
            job = asked.result()
        told = time.monotonic()
        if self.op in ("test", "clean-up"):
            self._tested(job)
        else:
            self.hand.reach(goal, job)
        self.line["went on after"] = round(time.monotonic() - told, 1)
        self._must_hold(goal)
        both = here.consoles.together(since)
        self.line["together"] = both
        if both and alone:
            raise Broken(f"two ran at once: {both}")

    def _hit_where_it_is(self, halt: Path) -> None:
        here = self.here
        self.line["met"] = not halt.exists()
        here.no_halt()
        if self.line["met"]:
            here.until(lambda: here.halted(self.acting), "it stands still", 10)
        try:
            self._hit()
        finally:
            here.go_on(self.acting)

    def _ended(self, job: str) -> bool:
        """Also if it was not taken at all."""
        if not job:
            return True
        found = self.here.asked(self.acting, f"/v1/jobs/{job}")
        return found is not None and found["ended_at"] is not None

    def _prepared(self) -> bool:
        """Whether two copies must not run at once from here on."""
        here = self.here
        if self.op not in ("unplanned",):
            return True
        how = self.chance.choice(("alive", "isolated", "off"))
        self.line["source"] = how
        if how == "isolated":
            self.present.ask("PUT", f"/v1/machines/{NAME}/isolation", {"seconds": 5})
            here.until(lambda: here.standing(self.acting)["isolation_seconds"] == 5, "the other site hears of isolation", 60)
        elif how == "off":
            self.present.end(signal.SIGKILL)
            here.kill(here.source_process())
        return how != "alive" or bool(here.standing(self.acting)["isolation_seconds"])

    def _request(self) -> tuple[str, Any, Goal]:
        acting, here = self.acting.site, self.here
        match self.op:
            case "test":
                return "test-failover", CHECKS, Goal("", acting)
            case "clean-up":
                return "drill-cleanup", {}, Goal("", acting)
            case "planned" | "unplanned" | "failback":
                mode = "unplanned" if self.op == "unplanned" else "planned"
                return "failover", {"mode": mode}, Goal("failed_over", acting, mode)
            case "take-back":
                self._ask_to_shut_down()
                return "failover/cancel", None, Goal("protected", here.other(self.acting).site)
            case "change-point":
                present = here.standing(self.acting)["failover"]["point"]
                source = here.consoles.heard[here.source].acknowledged[0].at
                listed = [one["id"] for one in here.points(self.acting) if not one["superseded"] and one["frozen_at"] > source]
                point = self.chance.choice([one for one in listed if one != present][-12:])
                return "failover/change-point", {"point": point}, Goal("failed_over", acting, "unplanned", point)
            case "cancel":
                return "failover/cancel", None, Goal("protected", here.other(self.acting).site)
            case "commit":
                return "failover/commit", None, Goal("committed", acting)
        return "reprotect", None, Goal("protected", acting)

    def _ask_to_shut_down(self) -> None:
        """A planned failover is under way, at any moment of it."""
        job = self.hand.begin(self.acting, "failover", {"mode": "planned"})

        def begins() -> bool:
            said = (self.here.standing(self.acting) or {"requests": []})["requests"]
            return self._ended(job) or any(asked["outcome"] for asked in said if asked["action"] == "shutdown")

        self.here.until(begins, "the primary begins to shut it down")
        self.line["after"] = after = round(self.chance.uniform(0, 6), 1)
        time.sleep(after)

    def _hit(self) -> None:
        """From a daemon that stands still before its step, or a moment later."""
        here, other = self.here, self.here.other(self.acting)
        self.line["moment"] = moment = self.chance.choice((0.0, 0.0, round(self.chance.uniform(0.02, 1.0), 3)))
        self.line["away"] = away = round(self.chance.uniform(0.5, 6.0), 1)
        if moment:
            here.go_on(self.acting)
            time.sleep(moment)
        match self.fault:
            case "acting daemon":
                self.acting.end(signal.SIGKILL)
                time.sleep(away)
                self.acting.start()
            case "other daemon":
                if other.process is not None:
                    other.end(signal.SIGKILL)
                here.go_on(self.acting)
                time.sleep(away)
            case "source QEMU":
                self.line["killed"] = here.kill(here.source_process())
            case "target QEMU":
                self._kill_target()
            case _:
                how = self.fault.removeprefix("vault ")
                if how == AWAY:
                    # It is a daemon that begins which must not take what is there for its vault.
                    self.acting.end(signal.SIGKILL)
                self.vault.lose(how)
                if how == AWAY:
                    self.acting.start(waits=False)
                here.go_on(self.acting)
                time.sleep(away)
                strays = self.vault.find(how)
                if strays:
                    raise Broken(f"while the vault was away this was written in its place: {strays[:5]}")
        here.go_on(self.acting)
        for site in here.sites.values():
            if site.process is None:
                site.start()

    def _kill_target(self) -> None:
        """As soon as there is one."""
        here, end = self.here, time.monotonic() + 15
        drills = self.op in ("test", "clean-up")
        while time.monotonic() < end:
            new = {run: pid for run, pid in here.runs(self.acting, drills=drills).items() if f"{self.acting.site}:{run}" != here.source}
            here.go_on(self.acting)
            if new:
                self.line["killed"] = here.kill(max(new.items())[1])
                return
            time.sleep(0.1)
        self.line["killed"] = False

    def _tested(self, job: str) -> None:
        """A test stands and is well, or nothing is left of one."""
        here, told = self.here, job

        def listed() -> Any:
            found = here.asked(self.acting, "/v1/drills?limit=5")
            return None if found is None else [drill for drill in found["items"] if drill["state"] != "cleaned"]

        def over() -> bool:
            nonlocal told
            if here.under_way() or (standing := listed()) is None:
                return False
            self.hand.outcome(self.acting, told)
            told = ""
            if self.op == "clean-up":
                if standing:
                    told = self.hand.begin(self.acting, "drill-cleanup", {})
                    return False
                return not here.runs(self.acting, drills=True)
            if not standing:
                told = self.hand.begin(self.acting, "test-failover", CHECKS)
                return False
            if standing[0]["outcome"] == "passed":
                return True
            told = self.hand.begin(self.acting, "drill-cleanup", {})
            return False

        here.until(over, f"the {self.op} comes to its end: {self.hand.said[-8:]}")
        if self.op == "test":
            (drill,) = listed()
            heard = here.consoles.heard[f"{self.acting.site}:drill-{drill['id']}"]
            least = here.consoles.heard[here.source].before(drill["frozen_at"])
            words, _ = here.until(lambda: heard.boots, "the test's guest says what it found", 90)[0]
            self.line["found"] = [least, words]
            if not words.isdigit() or not least <= int(words):
                raise Broken(f"the test of point {drill['number']} found {words}, and {least} was acknowledged before")

    def _must_hold(self, goal: Goal) -> None:
        here = self.here
        phase, site, console = here.primary()
        self.line |= {"phase": phase, "site": site}
        if goal.phase and (phase, site) != (goal.phase, goal.site):
            raise Broken(f"it is {phase} at {site}, not {goal}")
        if self.op in ("planned", "unplanned", "failback", "change-point"):
            self.line["found"] = here.began_well(console, all_of_it=self.op in ("planned", "failback"))
        here.goes_on(console)
        if self.op in ("planned", "unplanned", "failback", "change-point", "commit"):
            self._is_still(here.source)
        if self.op == "reprotect":
            here.stands_in(self.acting, console)
        here.must_be_sound()

    def _is_still(self, console: str) -> None:
        """What the machine ran in before writes no more, as soon as its site has heard of it."""

        def still() -> bool:
            before = self.here.consoles.heard[console].last
            time.sleep(3)
            return self.here.consoles.heard[console].last == before

        self.here.until(still, f"{console} is stopped", 90)
