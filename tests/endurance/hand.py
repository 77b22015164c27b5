"""What an operator does who has docs/operations.md and no more: looks where the machine stands, and says the next thing that is due."""

import http.client
import time
from dataclasses import dataclass, field
from typing import Any

from tests.endurance.consoles import HOME
from tests.endurance.world import PATIENCE, Broken, World
from tests.live.two_sites import NAME, SiteHouse

STUCK = 100.0
"""Seconds after which a failover that waits is taken back."""
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Goal:
    """`site` is where the machine shall be. `mode`: of the failover there; `point`: the id of the one that it shall go on from."""

    phase: str
    site: str
    mode: str = "planned"
    point: str = ""


@dataclass
class Hand:
    world: World
    said: list[str] = field(default_factory=list)

    def begin(self, site: SiteHouse, path: str, body: Any = None) -> str:
        """The job's id; empty: it was not taken."""
        try:
            job = str(site.ask("POST", f"/v1/machines/{NAME}/{path}", body)["id"])
        except (AssertionError, OSError, http.client.HTTPException, ValueError) as error:
            self.said.append(f"{site.site}: {path} was not taken: {str(error)[:200]}")
            return ""
        self.said.append(f"{site.site}: {path} {(body or {}).get('mode', '')}".rstrip())
        return job

    def outcome(self, site: SiteHouse, job: str) -> None:
        found = self.world.asked(site, f"/v1/jobs/{job}") if job else None
        if found is not None and found["state"] in ENDED:
            error = f": {found['error']['message'][:200]}" if found["error"] else ""
            self.said.append(f"{site.site}: {found['kind']} {found['state']}{error}")

    def reach(self, goal: Goal, job: str = "", patience: float = PATIENCE) -> None:
        """`job`: one that was begun for it already."""
        world, end, waited = self.world, time.monotonic() + patience, time.monotonic()
        there = world.sites[goal.site]
        at, told = there, job
        while time.monotonic() < end:
            time.sleep(0.3)
            if world.under_way():
                if time.monotonic() - waited > STUCK:
                    waited = time.monotonic()
                    self.begin(there, "failover/cancel")
                continue
            if told:
                self.outcome(at, told)
                told = ""
            standing = world.standing(there)
            if standing is None:
                continue
            if self._reached(goal, standing):
                return
            self._start_at_home(standing)
            due = self._due(goal, standing)
            if due is not None:
                at, path, body = due
                told, waited = self.begin(at, path, body), time.monotonic()
        raise Broken(f"it cannot be brought to {goal}: {self.said[-12:]}; {world.standing(there)}")

    def _reached(self, goal: Goal, standing: Any) -> bool:
        if (standing["phase"], standing["site"]) != (goal.phase, goal.site):
            return False
        if goal.point and standing["failover"]["point"] != goal.point:
            return False
        if standing["failover"] is None or (self.world.source, goal.phase, goal.site) == (HOME, "protected", "a"):
            return self.world.home_alive() and not standing["under_way"]
        running = [run for run in standing["runs"] if run["status"] == "running" and not run["kept"]]
        return bool(running) and not standing["under_way"]

    def _start_at_home(self, standing: Any) -> None:
        """Its owner starts it there, as always, if that is where it is to run, and nothing is asked of it."""
        if "a" in self.world.absent:
            return
        if self.world.source == HOME and (standing["phase"], standing["site"]) == ("protected", "a") and not self.world.home_alive():
            self.said.append("started at home")
            self.world.home.kill()
            self.world.home.start()

    def _due(self, goal: Goal, standing: Any) -> tuple[SiteHouse, str, Any] | None:
        phase, site = standing["phase"], standing["site"]
        there, present = self.world.sites[goal.site], self.world.sites.get(site)
        if phase == "failing_over":
            # In doubt it is taken back, and begun again.
            return there, "failover/cancel", None
        if present is None:
            return None
        mine = self.world.standing(present) if site not in self.world.absent else standing
        if mine is None:
            return None
        if mine["under_way"] and (phase, site, goal.phase) == ("failed_over", goal.site, "failed_over"):
            # What was begun is said again, and goes on.
            again = ("failover/change-point", {"point": goal.point}) if goal.point else ("failover", {"mode": goal.mode})
            return there, *again
        if mine["under_way"] and phase == "failed_over" and goal.phase == "protected" and site != goal.site:
            return present, "failover/cancel", None
        if (
            "start" in mine["allowed"]
            and mine["failover"] is not None
            and all(run["status"] != "running" or run["kept"] for run in mine["runs"])
        ):
            if self.world.source == HOME and site == "a":
                return None
            return present, "failover/start", None
        if (phase, site) == ("failed_over", goal.site) and goal.point and standing["failover"]["point"] != goal.point:
            return there, "failover/change-point", {"point": goal.point}
        if (phase, site, goal.phase) == ("failed_over", goal.site, "committed"):
            return there, "failover/commit", None
        if phase == "committed" and (site, goal.phase) == (goal.site, "protected"):
            return there, "reprotect", None
        if phase == "failed_over" and site != goal.site and goal.phase == "protected":
            return present, "failover/cancel", None
        if phase == "protected" and site != goal.site and goal.phase == "failed_over":
            return there, "failover", {"mode": goal.mode}
        if standing["under_way"] and "cancel" in standing["allowed"] and goal.phase == "protected":
            return there, "failover/cancel", None
        return None
