"""Every operation of a failover, hit at every step: `python -m tests.endurance.kills --seconds 3600 --out kills.jsonl`.

Two daemons, each with its state, configuration and hypervisor, a vault on a file system of its own, a guest that says what it wrote. In
each trial an operation is begun, the daemon that does it is halted before one of its steps, and one thing is done: that daemon, the other
one, the QEMU that the machine ran in or the one that it is to run in is killed, or the vault is lost for some seconds. What was killed is
started again, and an operator goes on. Then the machine must be where the table says that it is, as one running copy that has what was
acknowledged: after a planned failover all of it, after any other one all until its point. Needs root. Ends with an error if a promise was
broken.
"""

import argparse
import contextlib
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.endurance.lost_vault import LostVault, lost_vault
from tests.endurance.outcome import Outcomes
from tests.endurance.trial import FAULTS, KINDS, Trial
from tests.endurance.world import FULL, World, ready, short_directory, world
from tests.live.test_failover import stands_by
from understudy.demo.accelerator import find_accelerator
from understudy.demo.kit import build_kit


class Kills:
    def __init__(self, chance: random.Random, only: str, outcomes: Outcomes) -> None:
        self.chance, self.only, self.outcomes = chance, only, outcomes
        self.known: dict[str, list[str]] = {op: ["begin", "end"] for op in KINDS}
        """The steps of each operation, as they are met."""
        self.done: Counter[tuple[str, str, str]] = Counter()
        for line in outcomes.lines:
            self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        op, step, fault = line["operation"], line["step"], line["fault"]
        if line["met"]:
            self.done[op, step, fault] += 1
            if step not in self.known[op]:
                self.known[op].append(step)

    def life(self, here: World, vault: LostVault, until: float) -> None:
        """Trial after trial on one machine, as long as it has room."""
        drilled = False
        while time.monotonic() < until and here.consoles.heard[here.source].last < FULL:
            phase, site, _ = here.primary()
            op = self._operation(phase, site, drilled)
            faults = [fault for fault in FAULTS if op not in ("test", "clean-up") or fault != "source QEMU"]
            left = [(self.done[op, step, fault], self.chance.random(), step, fault) for step in self.known[op] for fault in faults]
            _, _, step, fault = min(left)
            line = Trial(self.chance, here, vault, self.known[op], op, step, fault).run(site)
            self.outcomes.tell(line)
            if line["broken"]:
                self.outcomes.keep(here)
                return
            self._count(line)
            drilled = op == "test"

    def _operation(self, phase: str, site: str, drilled: bool) -> str:
        if drilled:
            return "clean-up"
        forth = ("planned", "unplanned") if site == "a" else ("failback",)
        table = {
            "protected": ("test", "take-back", *forth),
            "failed_over": ("change-point", "cancel", "commit"),
            "committed": ("reprotect",),
        }
        possible = table[phase]
        if self.only in possible:
            return self.only
        counts = {op: sum(count for (one, _, _), count in self.done.items() if one == op) for op in possible}
        # What leads on to what has been tried least is not always what has been tried least itself.
        return min(possible, key=lambda op: (counts[op] * self.chance.uniform(0.5, 1.5), self.chance.random()))


@contextlib.contextmanager
def _new_world(kit: Any, accelerator: Any, standby: bool) -> Iterator[tuple[World, LostVault]]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        vault = stack.enter_context(lost_vault(directory / "vault.img", directory / "vault"))
        here = stack.enter_context(world(directory, kit, accelerator))
        if standby:
            stands_by(here.b, directory / "images")
        yield here, vault


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--seconds", type=float, default=3600.0)
    words.add_argument("--only", choices=[*KINDS], default="", help="this operation as often as it is possible")
    words.add_argument("--out", type=Path, help="a line of JSON for each trial, added to earlier ones; logs of broken ones are beside it")
    asked = words.parse_args()
    ready()
    chance = random.Random(asked.seed)
    kills = Kills(chance, asked.only, Outcomes(asked.out))
    kit = build_kit()
    accelerator = find_accelerator(kit)
    until = time.monotonic() + asked.seconds
    while time.monotonic() < until:
        with _new_world(kit, accelerator, chance.random() < 0.5) as (here, vault):
            kills.life(here, vault, until)
    print(kills.outcomes.table("operation", "fault"))
    met = defaultdict(set)
    for op, step, _ in kills.done:
        met[op].add(step)
    print(f"{len(kills.outcomes.lines)} trials, {len(kills.done)} places:", {op: sorted(steps) for op, steps in met.items()})
    sys.exit("\n".join(f"{line['operation']} at {line['step']}, {line['fault']}: {line['broken']}" for line in kills.outcomes.broken) or 0)


if __name__ == "__main__":
    main()
