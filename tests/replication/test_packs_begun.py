"""Packs are full one after the other: were all at the same time, nothing would be encoded while they are stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults import FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, World
from understudy.model import BLOCK_SIZE, BytesLike
from understudy.replication import pipeline
from understudy.replication.cycle import ENCODERS, Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.store.protocol import Creation
from understudy.vault.packs.pack import CAPACITY
from understudy.vault.vault import Vault

SEALED = 1 << 10
"""Bytes that a block comes to."""


async def test_packs_become_full_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[pipeline.PackWriter] = []
    seen: list[int] = []

    class Begun(pipeline.PackWriter):
        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, **more)
            begun.append(self)

    class Watching(FaultyStore):
        async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
            if "/packs/" in name:
                seen.append(sum(pack.sealed > CAPACITY // 2 for pack in begun))
            return await super().create(name, buffers)

    monkeypatch.setattr(pipeline, "PackWriter", Begun)
    world = World(tmp_path)
    # Many units to a pack: those that are encoded while it is summed up fill no other.
    disk = np.zeros((4 * CAPACITY // SEALED, BLOCK_SIZE), np.uint8)
    disk[:, :SEALED] = np.random.default_rng(1).integers(0, 256, (len(disk), SEALED), np.uint8)
    world.disk("vda").write_bytes(disk.data)
    await world.create()
    vault = await Vault.open(Watching(FileStore(tmp_path / "vault")), UNLOCK, world.state, patience=QUICK)
    log = await vault.find(MACHINE)
    replicator = Replicator(vault, log, BlockSource({"vda": str(world.disk("vda"))}), world.directory(vault, log), "here")
    await replicator.open()
    await replicator.cycle()
    await replicator.close()
    await vault.close()
    assert len(seen) > pipeline.LANES
    assert seen[0] <= ENCODERS
