"""A collection that trims, killed at any of its writes and deletions: nothing that is kept is hurt, and the next one ends what it began."""

import asyncio
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Call, Fault
from tests.forks import start
from tests.replication.world import World
from tests.vault.collect.stage import Stage
from understudy.vault.collect.trimming import Tail

SHORT = Tail(4, 8)
WRITES = "?[re][el]*"
"""create and delete."""


def collecting(root: str, when: str, number: int) -> None:
    """In a process that is killed `before` or `after` write `number`."""
    stage = Stage(World(Path(root)), np.random.default_rng(0), tail=SHORT)
    action = Action.DIE_BEFORE if when == "before" else Action.DIE_AFTER
    asyncio.run(stage.collect(schedule=[Fault(action, WRITES, skip=number)]))


def made(path: Path) -> Path:
    path.mkdir()
    return path


async def worn(root: Path) -> Stage:
    """A machine most of whose points are dropped, and most of whose records shall go."""
    stage = await Stage.begin(root, np.random.default_rng(5), size=200_000)
    await stage.cycles(16)
    await stage.prune((await stage.kept())[:-3])
    stage.tail = SHORT
    return stage


def records(stage: Stage) -> int:
    return len(list((stage.world.root / "vault" / "machines").glob("*/log/*")))


async def writes_of(stage: Stage) -> list[Call]:
    async with stage.operator() as (vault, log):
        calls = vault.store.calls  # type: ignore[attr-defined]
        before = len(calls)
        await stage.collector(vault, log).run()
        return [call for call in calls[before:] if call.op in ("create", "delete")]


async def killed_at(template: Path, root: Path, held: dict[str, dict[str, bytes]], when: str, number: int) -> int:
    """How the process ended. Whatever was left is whole, and is brought to the same end by the next run."""
    shutil.copytree(template, root)
    stage = Stage(World(root), np.random.default_rng(0), held, tail=SHORT)
    child = start(collecting, str(root), when, number)
    await asyncio.to_thread(child.join)
    await stage.check()
    for _ in range(2):
        await stage.collect()
        await stage.check()
    assert records(stage) <= SHORT.behind + 8, (when, number)
    packs = sum(size for name, size in stage.stored().items() if name.startswith("packs/"))
    assert packs < 2 * 210_000, (when, number)
    await stage.cycles(1)
    await stage.check()
    shutil.rmtree(root)
    assert child.exitcode is not None
    return child.exitcode


async def kill_everywhere(tmp_path: Path, every: int) -> int:
    """How many were killed."""
    stage = await worn(made(tmp_path / "template"))
    shutil.copytree(stage.world.root, tmp_path / "whole")
    writes = await writes_of(Stage(World(tmp_path / "whole"), stage.rng, stage.held, tail=SHORT))
    kinds = {(call.op, call.name.split("/")[2]) for call in writes}
    assert kinds >= {
        ("create", "packs"),
        ("create", "maps"),
        ("create", "objects"),
        ("create", "log"),
        ("delete", "log"),
        ("delete", "packs"),
    }
    killed = 0
    for turn, number in enumerate(range(0, len(writes), every)):
        for when in ("before", "after") if every == 1 else (("before", "after")[turn % 2],):
            ended = await killed_at(stage.world.root, tmp_path / "killed", dict(stage.held), when, number)
            assert ended == -9, (when, number)
            killed += 1
    return killed


async def test_killed_at_its_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    assert await kill_everywhere(tmp_path, 10) > 2
