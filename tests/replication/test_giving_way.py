"""Who encodes gives way to guests, where that is allowed."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.replication.world import World
from understudy.replication import pipeline
from understudy.replication.cycle import NICE


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.disk("vda").write_bytes(os.urandom(1 << 20))
    await world.create()
    return world


async def test_who_encodes_gives_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = pipeline._encode, set()

    def encode(*given: Any) -> Any:
        seen.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) - os.getpriority(os.PRIO_PROCESS, os.getpid()))
        return real(*given)

    monkeypatch.setattr(pipeline, "_encode", encode)
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
    assert seen == {NICE}


async def test_who_may_not_give_way_encodes_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "setpriority", refused)
    async with world.replicator() as replicator:
        await replicator.open()
        assert (await replicator.cycle()).stats.changed
