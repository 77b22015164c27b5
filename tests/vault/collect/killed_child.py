"""A collection that is killed at its n-th write: `python -m tests.vault.collect.killed_child ROOT N before|after`."""

import asyncio
import sys
from pathlib import Path

import numpy as np

from tests.faults import Action, Fault
from tests.replication.world import World
from tests.vault.collect.stage import Stage


async def main(root: Path, step: int, when: str) -> None:
    stage = Stage(World(root), np.random.default_rng(0))
    action = Action.DIE_BEFORE if when == "before" else Action.DIE_AFTER
    await stage.collect(schedule=[Fault(action, "create", skip=step), Fault(action, "delete", skip=step)])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
