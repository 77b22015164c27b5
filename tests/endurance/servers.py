"""Servers of vaults killed at any moment: `python -m tests.endurance.servers --seconds 1200 --out servers.jsonl`.

A daemon replicates a machine each second, prunes, collects, and copies its points to a second vault; the vault and the copy are each at a
server of its own, which keeps them on a disk. In each trial one of the two is killed while something more is under way (a restore, a
verification, a collection), stays away for a while, and is started again. Meanwhile the daemon may show no point that is not in the vault,
and the age of its newest one must be what it is. Then, without anybody's help, a new point must come, each point of the vault and of the
copy must be whole, by digest, and what a restore writes must be what the disk held at its instant, byte for byte.

One server, Azurite, writes down some seconds later what it has acknowledged, so that a kill takes it back. There the daemon must either go
on or refuse that vault as rolled back, and do neither by half: then this does what the runbook says. Needs root. Ends with an error if a
promise was broken.
"""

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.installed import Host
from tests.daemon.house import House
from tests.endurance.outcome import Outcomes
from tests.endurance.places import FORGETFUL, Place, place
from tests.endurance.world import Broken, ready, short_directory
from tests.endurance.writer import Writer

NAME = "web"
PAIRS = (
    ("localbucket", "ministack"),
    ("peer", "localbucket"),
    ("ministack", "peer"),
    ("azurite", "localbucket"),
    ("localbucket", "azurite"),
)
"""Where the vault is, and where its copy."""
BESIDE = ("nothing", "restore", "verify", "collect", "copy")
AWAY = (0.0, 0.3, 2.0, 6.0, 15.0)
"""Seconds."""
PATIENCE = 180.0
"""Seconds in which all must be well again by itself: tries begin each minute at last."""
LIFE = 5
"""Trials of one machine."""
SETTLES = 12.0
"""Seconds after which a forgetful server has written down that there is a bucket."""
KEPT = 60
"""Seconds for which no prune drops a point: so long it must be there if it was shown."""
WHOLE, DIVERGED = "whole", "it has more than the vault, and says so"
AGAIN = (9, 10)
"""Exit codes of what can be said again as soon as the store answers."""


@dataclass
class Away:
    """What was seen of the daemon while its server was away."""

    healths: set[str] = field(default_factory=set)
    rpo: float = 0.0
    shown: list[tuple[int, int]] = field(default_factory=list)
    """The newest point, by number and instant, as it was shown one after the other."""


@dataclass
class World:
    house: House
    vault: Place
    copy: Place
    writer: Writer
    directory: Path
    shown: dict[int, int] = field(default_factory=dict)

    def killed(self, chance: random.Random, name: str, beside: str, away: float) -> dict[str, Any]:
        """One trial."""
        line: dict[str, Any] = {"vault": self.vault.name, "copy": self.copy.name, "killed": name, "beside": beside, "away": away}
        server = self.vault if name == "vault" else self.copy
        with self._beside(beside) as process:
            time.sleep(chance.uniform(0.0, 2.5 if process is None else 4.0))
            server.kill()
            at = time.time_ns()
            seen = self._watch(away, at if name == "vault" else 0)
            server.start()
            back = time.time_ns()
            line |= {"healths": sorted(seen.healths), "rpo": round(seen.rpo, 1)}
            line["forgot"] = self._recovers(back)
            line["recovered"] = round((time.time_ns() - back) / 1e9, 1)
            line["ended"] = self._ended(process, beside)
        line["points"] = self._must_be_whole(chance)
        line["copied"] = self._must_be_copied(back)
        return line

    def _machine(self) -> Any:
        return self.house.machine(NAME)

    @contextlib.contextmanager
    def _beside(self, what: str) -> Iterator["subprocess.Popen[str] | None"]:
        target = self.directory / "restored"
        shutil.rmtree(target, ignore_errors=True)
        words = {
            "nothing": (),
            "restore": ("restore", f"{NAME}@latest", "--to", str(target)),
            "verify": ("verify", NAME, "--all", "--level", "digest"),
            "copy": ("vault", "copy", "verify", self.copy.address),
            "collect": (),
        }[what]
        if what == "collect":
            for job, body in (("prune", {}), ("collect", {"grace_seconds": 0})):
                self.house.ask("POST", f"/v1/machines/{NAME}/{job}", body)
        process = self._typed(*words) if words else None
        try:
            yield process
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def _typed(self, *words: str) -> "subprocess.Popen[str]":
        """As another site, which heeds what it has seen, too, unless the server may take that back."""
        fresh = self.directory / "fresh"
        host = self.house.host
        if self.vault.name in FORGETFUL:
            shutil.rmtree(fresh / "state" / "vaults", ignore_errors=True)
        elsewhere = Host(fresh, host.vault, host.key, {"UNDERSTUDY_SITE": "elsewhere"}, host.address)
        if not (fresh / "state").exists() and (peers := self.house.directory / "state" / "peers").exists():
            shutil.copytree(peers, fresh / "state" / "peers")
        return elsewhere.start(*words, "--json")

    def _watch(self, away: float, since: int) -> Away:
        """`since`: no later point can be in the vault."""
        seen, end = Away(), time.monotonic() + away
        while time.monotonic() < end:
            machine = self._machine()
            age = (time.time_ns() - machine["newest_frozen_at"]) / 1e9
            if machine["rpo_seconds"] < age - 5.0:
                raise Broken(f"the newest point is {age:.1f} s old, and its age is said to be {machine['rpo_seconds']:.1f} s")
            if since and machine["newest_frozen_at"] > since:
                raise Broken(f"a point is shown that was frozen after the vault had gone: {machine['newest_point']}")
            late = machine["rpo_seconds"] > machine["warning_rpo"] + 1.0
            if late and machine["health"] == "normal":
                raise Broken(f"well, with an RPO of {machine['rpo_seconds']:.1f} s")
            seen.healths.add(machine["health"])
            seen.rpo = max(seen.rpo, machine["rpo_seconds"])
            self.shown[machine["newest_point"]] = machine["newest_frozen_at"]
            self.writer.must_write()
            time.sleep(0.2)
        return seen

    def _recovers(self, back: int) -> bool:
        """A point comes that was frozen since; False. Where the server forgot what it had acknowledged: True, once that was mended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            machine = self._machine()
            error = machine["last_error"] or {}
            self.shown[machine["newest_point"]] = machine["newest_frozen_at"]
            if machine["failures"] and error["code"] == "rolled_back":
                if self.vault.name not in FORGETFUL:
                    raise Broken(f"the server keeps what it acknowledges, and the vault is said to be rolled back: {error}")
                if machine["health"] != "critical":
                    raise Broken(f"rolled back, and {machine['health']}")
                self._begin_anew()
                return True
            if machine["newest_frozen_at"] > back and not machine["failures"]:
                return False
            time.sleep(0.2)
        raise Broken(f"no point comes within {PATIENCE:g} s: {self._machine()['last_error']}")

    def _begin_anew(self) -> None:
        """What the runbook says of a vault that was rolled back, and of which no newer copy is left."""
        self.house.end()
        state = self.house.directory / "state" / "vaults"
        shutil.rmtree(state.with_name("aside"), ignore_errors=True)
        state.rename(state.with_name("aside"))
        self.house.start()
        protect(self.house, self.writer, adopt=True)
        back = time.time_ns()
        self.shown.clear()
        self.house.until(lambda: (self._machine()["newest_frozen_at"] or 0) > back)

    def _ended(self, process: "subprocess.Popen[str] | None", beside: str) -> str:
        """How, and whether it ends well if it is said again."""
        if process is None:
            return ""
        said = process.communicate(timeout=PATIENCE)
        codes = [process.returncode]
        # What it had read may have been taken back: then it was right to refuse the rest.
        if process.returncode in (*AGAIN, *((6,) if self.vault.name in FORGETFUL else ())):
            again = self._typed(*process.args[1:-1])  # type: ignore[index]
            said = again.communicate(timeout=PATIENCE)
            codes.append(again.returncode)
        if codes[-1] and not (beside == "copy" and codes[-1] == 6 and self.copy.name in FORGETFUL):
            raise Broken(f"{beside} ended with {codes}: {said}")
        if beside == "restore":
            self._must_be(json.loads(said[0])["point"], self.directory / "restored" / "vda.raw")
        return ", then ".join(map(str, codes))

    def _answer(self, *words: str) -> Any:
        process = self._typed(*words)
        said, wrong = process.communicate(timeout=PATIENCE)
        if process.returncode:
            raise Broken(f"{words} ended with {process.returncode}: {said} {wrong}")
        return json.loads(said)

    def _must_be(self, point: dict[str, Any], image: Path) -> None:
        if self.writer.held(point["frozen_at"], image.read_bytes()) is None:
            raise Broken(f"what was restored of point {point['number']} is nothing that the disk held at its instant")

    def _must_be_whole(self, chance: random.Random) -> int:
        found = {point["number"]: point for point in self._answer("points", NAME)["points"]}
        since = max(point["frozen_at"] for point in found.values()) - (KEPT - 5) * 10**9
        lost = [number for number, frozen_at in self.shown.items() if frozen_at > since and number not in found]
        if lost:
            raise Broken(f"points {lost} were shown, and are not in the vault, which has {sorted(found)}")
        # Older ones may be dropped before the restore begins.
        point = found[chance.choice(sorted(found)[-8:])]
        target = self.directory / "any"
        shutil.rmtree(target, ignore_errors=True)
        self._answer("restore", f"{NAME}@{point['number']}", "--to", str(target))
        self._must_be(point, target / "vda.raw")
        damage = self._answer("verify", NAME, "--all", "--level", "digest")["damage"]
        if damage:
            raise Broken(f"damaged: {damage}")
        return len(found)

    def _must_be_copied(self, back: int) -> str:
        """By itself, after a while; then all of the copy is whole."""
        end, second = time.monotonic() + PATIENCE, self._machine()["second"]
        while not (second["frozen_at"] or 0) > back:
            if "has a record" in second["failure"] and self.vault.name in FORGETFUL:
                return DIVERGED
            if time.monotonic() > end:
                raise Broken(f"the copy is not brought on within {PATIENCE:g} s: {second}")
            time.sleep(0.3)
            second = self._machine()["second"]
        process = self._typed("vault", "copy", "verify", self.copy.address)
        said, wrong = process.communicate(timeout=PATIENCE)
        if process.returncode and self.copy.name not in FORGETFUL:
            raise Broken(f"the copy is not whole: {said} {wrong}")
        return WHOLE if not process.returncode else "not whole"


def protect(house: House, writer: Writer, *, adopt: bool = False) -> None:
    source = {"kind": "qemu", "qmp": writer.machine.qmp}
    house.ask("POST", "/v1/machines", {"name": NAME, "source": source, "adopt": adopt})


@contextlib.contextmanager
def world(directory: Path, pair: tuple[str, str], seed: int) -> Iterator[World]:
    with ExitStack() as stack:
        (directory / "here").mkdir()
        house = House(directory / "here", site="here")
        vault = stack.enter_context(place(pair[0], directory / "vault-server", house.host))
        copy = stack.enter_context(place(pair[1], directory / "copy-server", house.host))
        house.address = vault.address
        house.policy = {"interval": "1s", "warning-rpo": "4s", "verify-every": "20s", "second": copy.address}
        house.create()
        house.host.run("vault", "copy", "create", copy.address)
        house.configure('[maintenance]\nevery = "7s"\ngrace = "5s"\n')
        (directory / "w").mkdir()
        writer = stack.enter_context(Writer(directory / "w", seed))
        house.start()
        stack.callback(lambda: house.process is not None and (house.process.kill(), house.process.wait()))
        protect(house, writer)
        house.ask("PUT", f"/v1/machines/{NAME}/retention", {"all_for": KEPT})
        house.points(NAME, 3)
        house.until(lambda: (house.machine(NAME)["second"] or {}).get("point"))
        time.sleep(SETTLES if FORGETFUL[0] in pair else 0)
        yield World(house, vault, copy, writer, directory)


class Servers:
    def __init__(self, chance: random.Random, pairs: tuple[tuple[str, str], ...], outcomes: Outcomes) -> None:
        self.chance, self.pairs, self.outcomes = chance, pairs, outcomes

    def run(self, until: float) -> None:
        turn = 0
        while time.monotonic() < until:
            with short_directory() as directory, world(directory, self.pairs[turn % len(self.pairs)], turn) as here:
                self._life(here, until)
            turn += 1

    def _life(self, here: World, until: float) -> None:
        for number in range(LIFE):
            if time.monotonic() > until:
                return
            name, beside, away = ("vault", "vault", "copy")[number % 3], self.chance.choice(BESIDE), self.chance.choice(AWAY)
            try:
                line = here.killed(self.chance, name, beside, away)
            except Exception as broken:
                line = {"vault": here.vault.name, "copy": here.copy.name, "killed": name, "beside": beside, "away": away}
                self.outcomes.tell({**line, "broken": f"{type(broken).__name__}: {broken}"[:2000]})
                self.outcomes.keep_logs({"here.log": here.house.log})
                return
            self.outcomes.tell({**line, "broken": ""})
            if line["copied"] != WHOLE:
                return


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--seconds", type=float, default=1200.0)
    words.add_argument("--only", choices=sorted({one for pair in PAIRS for one in pair}), help="vaults at this server alone")
    words.add_argument("--out", type=Path, help="a line of JSON for each trial; logs of broken ones are kept beside it")
    asked = words.parse_args()
    ready()
    pairs = tuple(pair for pair in PAIRS if asked.only in (None, pair[0]))
    servers = Servers(random.Random(asked.seed), pairs, Outcomes(asked.out))
    servers.run(time.monotonic() + asked.seconds)
    print(servers.outcomes.table("vault", "killed"))
    sys.exit("\n".join(f"{line['vault']}, {line['killed']} killed: {line['broken']}" for line in servers.outcomes.broken) or 0)


if __name__ == "__main__":
    main()
