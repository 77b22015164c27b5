"""A standby on a second site: follows a real log, is found again, rests, is used, is doubted, and images are brought back to a point."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from tests.recovery.worlds import World, make_world
from understudy import engine
from understudy.errors import Busy, Conflict, InvalidRequest, NotFound
from understudy.local.retaining import holds_of
from understudy.local.site import Site
from understudy.local.standby import following
from understudy.local.standby.file import read_standby
from understudy.local.standby.following import followed, own_standby
from understudy.local.standby.held import Standby, standby_of
from understudy.local.standby.keeping import adopt_images, attach, detach, standby_created, standby_paused, standby_removed
from understudy.local.standby.views import shown_standby, standbys_here
from understudy.recovery import image_lock
from understudy.recovery import standing as st
from understudy.recovery.place import Place
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.store.protocol import Cache
from understudy.vault import kinds
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

SIZES = {"vda": 3 << 20, "vdb": (1 << 20) + 512}


def silent(progress: engine.Progress) -> None:
    """Nobody looks."""


@dataclass
class There:
    """The second site."""

    world: World
    vault: Vault
    log: MachineLog
    site: Site
    images: Path
    cache: Cache | None = None

    async def create(self, **options: object) -> None:
        request = engine.CreateStandby(**{"machine": "machine", "directory": str(self.images)} | options)
        await standby_created(self.vault, self.log, self.site, request)

    async def follow(self, point: str = "", *, prove: bool = False) -> engine.Restored:
        await self.log.refresh()
        return await followed(self.vault, self.log, self.site, silent, point=point, prove=prove, cache=self.cache)

    @property
    def directory(self) -> Path:
        return self.site.directory(self.vault.id, self.log.machine_id)

    @property
    def standby(self) -> Standby:
        found = standby_of(self.directory, self.vault.id, self.log.machine_id)
        assert found is not None
        return found

    def shown(self) -> engine.Standby:
        found = read_standby(self.directory)
        assert found is not None
        return shown_standby(found, self.vault.id, self.log.state)

    def holds(self, point: str) -> bool:
        held = self.world.held[point]
        return self.standby.point == point and all((self.images / f"{name}.raw").read_bytes() == data for name, data in held.items())


@pytest_asyncio.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    world = await make_world(tmp_path, dict(SIZES))
    await world.cycle()
    vault = await Vault.open(FileStore(tmp_path / "vault"), KeyFile(bytes(range(32))), tmp_path / "there")
    log = await vault.find("machine")
    yield There(world, vault, log, Site("there", tmp_path / "there"), tmp_path / "images")
    await vault.close()
    await world.close()


async def test_follows_and_is_found_again(there: There) -> None:
    assert standby_of(there.directory, there.vault.id, there.log.machine_id) is None
    with pytest.raises(NotFound, match="no standby"):
        await there.follow()
    assert standbys_here(there.vault.id, there.site) == []
    await there.create()
    assert standbys_here(there.vault.id, there.site) == [there.log.machine_id]
    assert there.shown().disks[0].doubt == "it is not there yet"
    done = await there.follow()
    assert [disk.proven for disk in done.disks] == [True, True]
    assert there.holds(there.world.points[0])
    for turn in range(3):
        there.world.scribble(3)
        point = await there.world.cycle()
        if turn == 0:
            await there.log.refresh()
            assert (there.shown().behind, there.shown().number) == (1, there.log.state.points[0].seq)
        done = await there.follow()
        assert [(disk.trusted, disk.proven) for disk in done.disks] == [("known", False)] * 2
        assert there.holds(point)
    assert (there.shown().behind, there.shown().lag_seconds, there.shown().state) == (0, 0.0, "following")
    # Back to an older one, and on.
    await there.follow(there.world.points[1])
    assert there.holds(there.world.points[1])
    await there.follow()
    assert there.holds(there.world.points[-1])


async def test_a_base_that_was_pruned_is_still_compared_with(there: There) -> None:
    await there.create()
    await there.follow()
    there.world.scribble(2)
    point = await there.world.cycle()
    await there.log.refresh()
    await there.log.append(kinds.Prune(points=(bytes.fromhex(there.world.points[0]),)))
    done = await there.follow()
    assert {disk.trusted for disk in done.disks} == {"known"}
    assert there.holds(point)


async def again(there: There, disks: dict[str, Path]) -> None:
    """The source site's daemon was restarted, with these disks."""
    world = there.world
    await world.replicator.close()
    world.disks = disks
    source = BlockSource({name: str(path) for name, path in disks.items()})
    world.replicator = Replicator(world.vault, world.log, source, world.directory / "local", "here")
    await world.replicator.open()


async def test_disks_that_come_go_and_grow(there: There) -> None:
    await there.create()
    await there.follow()
    new = there.world.directory / "vdc.source"
    new.write_bytes(np.random.default_rng(3).bytes(1 << 20))
    os.truncate(there.world.disks["vda"], SIZES["vda"] + 8192)
    await again(there, {"vda": there.world.disks["vda"], "vdc": new})
    point = await there.world.cycle()
    done = await there.follow()
    assert {disk.name: disk.trusted for disk in done.disks} == {"vda": "known", "vdc": "new"}
    assert there.holds(point)
    assert there.shown().former == (str(there.images / "vdb.raw"),)
    assert (there.images / "vdb.raw").exists()


async def test_a_new_disk_without_a_place(there: There, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no place for disk 'vdb'"):
        await there.create(directory="", images={"vda": str(tmp_path / "a")})
    await there.create(directory="", images={name: str(there.images / f"{name}.raw") for name in SIZES})
    await there.follow()
    new = there.world.directory / "vdc.source"
    new.write_bytes(bytes(1 << 20))
    await again(there, there.world.disks | {"vdc": new})
    point = await there.world.cycle()
    with pytest.raises(Conflict, match="no place for its new disk 'vdc'"):
        await there.follow()
    await there.log.refresh()
    await there.create(directory="", images={"vdc": str(there.images / "vdc.raw")})
    await there.follow()
    assert there.holds(point)


async def test_what_turned_by_itself_is_found_and_made_good(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    await there.create()
    await there.follow()
    path = there.images / "vda.raw"
    for due in (False, True):
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"rot")
        standing = st.read(path)
        assert standing is not None
        st.write(path, msgspec.structs.replace(standing, identity=await st.settled(path)))
        assert not (await there.follow()).disks[0].proven
        assert not there.holds(there.world.points[0])
        if due:
            monkeypatch.setattr(following, "PROVE_EVERY", 0)
        done = await there.follow(prove=not due)
        assert (done.disks[0].trusted, done.disks[0].reason) == ("scan", "it did not hold what its record said")
        assert there.holds(there.world.points[0])


async def test_what_somebody_else_wrote_is_not_overwritten(there: There) -> None:
    await there.create()
    await there.follow()
    path = there.images / "vda.raw"
    os.utime(path)
    there.world.scribble(1)
    await there.world.cycle()
    await there.follow()
    assert there.holds(there.world.points[1])
    with path.open("r+b") as file:
        file.write(b"precious")
    with pytest.raises(Conflict, match="something else has written"):
        await there.follow()
    with pytest.raises(Conflict, match="not as the standby left it"):
        await standby_removed(there.vault, there.log, there.site, keep_images=False)
    assert path.read_bytes().startswith(b"precious")
    await there.create(adopt=True)
    done = await there.follow()
    assert done.disks[0].trusted == "scan"
    assert there.holds(there.world.points[1])


async def test_adopts_what_is_there(there: There) -> None:
    there.images.mkdir()
    for name, path in there.world.disks.items():
        data = bytearray(path.read_bytes())
        data[8192:8200] = b"changed!"
        (there.images / f"{name}.raw").write_bytes(data)
    with pytest.raises(Conflict, match="is there already"):
        await there.create()
    await there.create(adopt=True)
    done = await there.follow()
    assert [(disk.trusted, disk.written_bytes) for disk in done.disks] == [("scan", 4096)] * 2
    assert there.holds(there.world.points[0])
    assert not (await there.follow()).disks[0].proven


async def test_rests_and_holds_its_point(there: There) -> None:
    await there.create()
    await there.follow()
    for _ in range(2):
        await standby_paused(there.vault, there.log, there.site, True)
    assert [hold.point for hold in holds_of(there.log.state)] == [there.world.points[0]]
    there.world.scribble(1)
    await there.world.cycle()
    with pytest.raises(Conflict, match="is paused"):
        await there.follow()
    assert (await there.follow(prove=True)).point.id == there.world.points[0]
    assert (there.shown().state, there.shown().behind) == ("paused", 1)
    await standby_paused(there.vault, there.log, there.site, False)
    assert holds_of(there.log.state) == ()
    await there.follow()
    assert there.holds(there.world.points[1])


async def test_is_left_alone_while_it_is_used(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_lock, "_PATIENCE", 0.1)
    await there.create()
    await there.follow()
    for _ in range(2):
        await detach(there.vault, there.log, there.site, "failover 7")
    assert there.standby.detached == "failover 7"
    assert len(holds_of(there.log.state)) == 1
    with pytest.raises(Conflict, match="in use: failover 7"):
        await there.follow()
    with pytest.raises(Conflict, match="in use"):
        await standby_removed(there.vault, there.log, there.site, keep_images=True)
    with pytest.raises(Conflict, match="in use"):
        await detach(there.vault, there.log, there.site, "a drill")
    await attach(there.vault, there.log, there.site)
    assert holds_of(there.log.state) == ()
    await there.follow()
    with (there.images / "vda.raw").open("r+b") as file:
        image_lock.lock_image(file.fileno(), there.images / "vda.raw")
        with pytest.raises(Conflict, match="open for writing"):
            await there.follow()
    with own_standby(there.vault, there.log, there.site), pytest.raises(Busy):
        await there.follow()
    await standby_removed(there.vault, there.log, there.site, keep_images=False)
    assert os.listdir(there.images) == []


async def test_known_images_become_the_standby_unread(there: There) -> None:
    there.images.mkdir()
    point = there.world.points[0]
    places = {name: Place(there.images / f"{name}.raw", "raw") for name in SIZES}
    for name, place in places.items():
        place.path.write_bytes(there.world.held[point][name])
    for _ in range(2):
        await adopt_images(there.vault, there.log, there.site, places, point, directory=str(there.images))
    assert there.holds(point)
    there.world.scribble(2)
    newer = await there.world.cycle()
    done = await there.follow()
    assert [(disk.trusted, disk.proven) for disk in done.disks] == [("known", False)] * 2
    assert there.holds(newer)
