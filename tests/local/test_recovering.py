"""Restoring through what a hostile source left behind."""

from dataclasses import replace
from pathlib import Path

import msgspec

from tests.recovery.worlds import make_world
from understudy import engine
from understudy.local.recovering import restored
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
