"""A standby whose vault is far away: what each step would read again is kept, and who must see the store is not deceived by it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest_asyncio

from tests.faults import FaultyStore
from tests.local.test_standby import SIZES, There
from tests.recovery.worlds import make_world
from understudy.local.site import Site
from understudy.recovery.verify import verify_points
from understudy.store.file import FileStore
from understudy.store.opening import cached
from understudy.store.protocol import Capabilities
from understudy.vault import names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault


@dataclass
class FarStore(FaultyStore):
    """`garbles`: of the packs that are read from now on, how many come with a byte changed on the way."""

    garbles: int = 0

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, near=False)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        data = await super().get(name, start, length)
        if self.garbles and "/packs/" in name and data:
            self.garbles -= 1
            return bytes([data[0] ^ 1]) + data[1:]
        return data


@pytest_asyncio.fixture
async def far(tmp_path: Path) -> AsyncIterator[tuple[There, FarStore]]:
    """With three points, at the last of which the standby is."""
    world = await make_world(tmp_path, dict(SIZES))
    await world.cycle()
    store = FarStore(FileStore(tmp_path / "vault"))
    vault = await Vault.open(store, KeyFile(bytes(range(32))), tmp_path / "there")
    there = There(
        world, vault, await vault.find("machine"), Site("there", tmp_path / "there"), tmp_path / "images", cached(store, names.lasts)
    )
    await there.create()
    await there.follow()
    await stepped(there, 2)
    yield there, store
    await vault.close()
    await world.close()


async def stepped(there: There, steps: int) -> None:
    for _ in range(steps):
        there.world.scribble(12)
        point = await there.world.cycle()
        await there.follow()
        assert there.holds(point)


async def test_a_step_asks_for_what_is_new(far: tuple[There, FarStore]) -> None:
    there, store = far
    packs = there.world.objects()
    store.calls.clear()
    await stepped(there, 1)
    (new,) = set(there.world.objects()) - set(packs)
    assert {call.name.rpartition("/")[2] for call in store.calls if "/packs/" in call.name} == {new.name}


async def test_what_is_damaged_behind_the_cache_is_found(far: tuple[There, FarStore]) -> None:
    there, _ = far
    point = there.log.state.newest
    assert point is not None
    assert there.cache is not None
    history = replace(history_of(there.vault, there.log), cache=there.cache)
    packs = [pack for entry in history.entries for pack in await history.packs_of(entry) if not pack.seq]
    victim = names.pack(there.log.machine_id, packs[-1].id.hex())
    kept = await there.cache.get(victim, 0, 64)
    path = there.world.directory / "vault" / victim
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))
    assert await there.cache.get(victim, 0, 64) == kept != bytes(64)
    for level in ("scrub", "frames", "digest"):
        done = await verify_points(history, [point.point.id.hex()], level)
        assert victim in {damage.name for damage in done.damage}, level


async def test_what_was_read_wrongly_once_is_read_again(far: tuple[There, FarStore]) -> None:
    there, store = far
    there.world.scribble(12)
    point = await there.world.cycle()
    store.garbles = 1
    await there.follow()
    assert (store.garbles, there.holds(point)) == (0, True)
    await stepped(there, 1)
