"""A process that makes a cycle and is killed just before its n-th durable step."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.replication.trio import Trio
from tests.replication.world import World

STEPS = ("fsync", "fdatasync", "rename", "replace", "unlink", "link", "ftruncate", "mkdir")
"""Everything by which a process makes something last; between two of them a crash leaves the same files behind."""


def die_before(step: int) -> None:
    left = step

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


async def cycle(root: Path, step: int, slice_blocks: int) -> None:
    async with World(root).replicator(slice_blocks=slice_blocks) as replicator:
        die_before(step)
        await replicator.open()
        await replicator.cycle()


async def group_cycle(root: Path, step: int) -> None:
    async with Trio(root).group() as group:
        die_before(step)
        await group.cycle()


def run(root: Path, step: int, slice_blocks: int | None) -> None:
    """`slice_blocks` None: the cycle is that of a group."""
    asyncio.run(group_cycle(root, step) if slice_blocks is None else cycle(root, step, slice_blocks))
