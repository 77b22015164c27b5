"""Restoring through what a hostile source left behind, and verifying beside a collection."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.recovery.worlds import make_world
from tests.vault.collect.stage import Stage
from understudy import engine
from understudy.engine import Level
from understudy.local.recovering import restored, verified
from understudy.vault.maps.checkpoint import take_checkpoint


async def test_a_lying_checkpoint_keeps_nobody_from_the_point(tmp_path: Path) -> None:
    world = await make_world(tmp_path, {"vda": 3 << 20})
    await world.cycle()
    world.scribble(30)
    point = await world.cycle()
    *older, newest = world.history.points
    silent = replace(newest, point=msgspec.structs.replace(newest.point, packs=()), inlined=0)
    await world.log.append(
        await take_checkpoint(replace(world.history, points=(*older, silent), entries=(*older, silent)), newest.point.id)
    )
    target = tmp_path / "restored"
    request = engine.Restore(machine=world.log.machine_id, point=point, format="raw", targets={"vda": str(target)})
    done = await restored(world.vault, world.log, request, lambda _: None)
    assert done.point.id == point
    assert target.read_bytes() == world.held[point]["vda"]
    await world.close()


@pytest.mark.parametrize("level", ["scrub", "digest"])
async def test_what_a_collection_deleted_meanwhile_is_no_damage(tmp_path: Path, level: Level) -> None:
    stage = await Stage.begin(tmp_path, np.random.default_rng(11))
    await stage.cycles(12, writes=12)
    points = await stage.kept()
    async with stage.operator("reader") as (vault, log):
        await stage.prune(points[:-3])
        assert (await stage.collect()).deleted[0]
        done = await verified(vault, log, engine.Verify(machine=log.machine_id, points=tuple(points), level=level), lambda _: None)
        assert not done.damage
        assert {point.id for point in done.points} >= set(points[-3:])
        lost = next(path for path in (tmp_path / "vault" / "machines").glob("*/packs/*"))
        lost.unlink()
        again = await verified(vault, log, engine.Verify(machine=log.machine_id, points=tuple(points[-3:]), level=level), lambda _: None)
        assert again.damage
