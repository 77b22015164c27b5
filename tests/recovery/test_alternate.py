"""A disk of which every second block is a hole: a cycle, a restore and its proof make calls for its size, not for each of its holes."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.replication.world import World
from understudy.model import BLOCK_SIZE
from understudy.recovery.content import finder, read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.vault.maps.reading import history_of

BLOCKS = 4096
MOST = BLOCKS // 32


def counted(monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    calls: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*words: Any) -> Any:
            calls[name] += 1
            return call(*words)

        return made

    for name in names:
        monkeypatch.setattr(os, name, counting(name, getattr(os, name)))
    return calls


async def test_calls_follow_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    disk, target = world.disk("vda"), tmp_path / "restored.img"
    with disk.open("wb") as file:
        file.truncate(BLOCKS * BLOCK_SIZE)
        for block in range(0, BLOCKS, 2):
            os.pwrite(file.fileno(), block.to_bytes(4, "little") * (BLOCK_SIZE // 4), block * BLOCK_SIZE)
        os.pwrite(file.fileno(), b"1" * BLOCK_SIZE, 0)
    await world.create()
    calls = counted(monkeypatch, "preadv", "pwritev")
    async with world.replicator() as replicator:
        await replicator.open()
        point = await replicator.cycle()
        again = await replicator.cycle()
    assert (point.stats.changed, again.stats.changed) == (BLOCKS // 2, 0)
    assert 0 < calls["preadv"] < MOST
    calls.clear()
    async with world.vault() as (vault, log):
        history = history_of(vault, log)
        await materialise(await read_point(history, again.point), {"vda": Place(target, "raw")}, finder(history))
        assert target.read_bytes() == disk.read_bytes()
        assert 0 < calls["pwritev"] < MOST
        assert 0 < calls["preadv"] < MOST
        assert target.stat().st_blocks <= 2 * disk.stat().st_blocks
        little = os.statvfs_result((BLOCK_SIZE, BLOCK_SIZE, BLOCKS, BLOCKS - 1, BLOCKS - 1, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda _: little)
        narrow = tmp_path / "narrow.img"
        await materialise(await read_point(history, again.point), {"vda": Place(narrow, "raw")}, finder(history))
        assert narrow.read_bytes() == disk.read_bytes()
        # A file system may count what it keeps of so many extents.
        assert narrow.stat().st_blocks < 1.2 * disk.stat().st_blocks < target.stat().st_blocks, "where room is scarce holes stay holes"
