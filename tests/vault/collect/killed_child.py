"""A collection that is killed at its n-th write."""

import asyncio
from pathlib import Path

import numpy as np

from tests.faults import Action, Fault
from tests.replication.world import World
from tests.vault.collect.stage import Stage


async def collect(root: Path, step: int, action: Action) -> None:
    stage = Stage(World(root), np.random.default_rng(0))
    await stage.collect(schedule=[Fault(action, "create", skip=step), Fault(action, "delete", skip=step)])


def run(root: Path, step: int, action: Action) -> None:
    asyncio.run(collect(root, step, action))
