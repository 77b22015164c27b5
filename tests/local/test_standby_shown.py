"""What is told of a standby whose images are being written to, or cannot be."""

from pathlib import Path

import pytest

from tests.recovery.worlds import make_world
from understudy import engine
from understudy.app import open_engine
from understudy.cli.standby_words import holds, line, proven
from understudy.errors import Conflict
from understudy.local.site import Site
from understudy.local.standby.file import read_standby
from understudy.local.standby.following import followed
from understudy.local.standby.keeping import standby_created
from understudy.local.standby.views import shown_standby
from understudy.store.file import FileStore
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.vault import Vault


async def test_in_the_midst_of_a_step_it_says_from_where_to_where(tmp_path: Path) -> None:
    world = await make_world(tmp_path, {"vda": 1 << 20})
    await world.cycle()
    vault = await Vault.open(FileStore(tmp_path / "vault"), KeyFile(bytes(range(32))), tmp_path / "there")
    log, site = await vault.find("machine"), Site("there", tmp_path / "there")
    directory = site.directory(vault.id, log.machine_id)
    seen: list[engine.Standby] = []

    def look(progress: engine.Progress) -> None:
        found = read_standby(directory)
        assert found is not None
        if progress.phase.startswith("write"):
            seen.append(shown_standby(found, vault.id, log.state))

    await standby_created(vault, log, site, engine.CreateStandby(machine="machine", directory=str(tmp_path / "images")))
    image = tmp_path / "images" / "vda.raw"
    image.parent.mkdir()
    image.write_bytes(b"x" * (1 << 20))
    with pytest.raises(Conflict) as refused:
        await followed(vault, log, site, look)
    assert "--adopt" in refused.value.hint
    image.unlink()
    await followed(vault, log, site, look)
    world.scribble(3)
    await world.cycle()
    await log.refresh()
    seen.clear()
    await followed(vault, log, site, look)
    begun, (was, now) = seen[0], [entry.seq for entry in log.state.points]
    assert (begun.point, begun.came_number, begun.towards_number, begun.behind) == ("", was, now, 1)
    assert begun.lag_seconds
    assert begun.disks[0].doubt == ""
    assert line(begun).startswith(f"following, on its way from point {was} to point {now}, 1 point")
    assert proven(begun.disks[0]) == "-"
    assert holds(begun.disks[0]) == " to ".join(point[:8] for point in world.points)
    await vault.close()
    await world.close()


async def test_one_whose_record_is_damaged_is_listed_with_what_to_do(tmp_path: Path) -> None:
    place, disk = tmp_path / "state", tmp_path / "disk"
    disk.write_bytes(b"x" * 8192)
    key = engine.KeyFile(path=str(tmp_path / "key"))
    connection = engine.Connection(vault=(tmp_path / "vault").as_uri(), state_dir=str(place), site="here", credential=key)
    async with open_engine(connection) as opened:
        await opened.create_vault(engine.CreateVault(label="operator"))
        for name in ("web", "db"):
            await opened.protect(engine.Protect(name=name, source=engine.BlockSource(disks={"vda": str(disk)})))
            await opened.create_standby(engine.CreateStandby(machine=name, directory=str(tmp_path / name)))
        web = next(machine.id for machine in (await opened.vault()).machines if machine.name == "web")
        (record,) = place.glob(f"vaults/*/machines/{web}/standby/standby.json")
        record.write_text("{")
        db, damaged = await opened.standbys()
        assert (db.machine, db.state, db.why) == ("db", "following", "")
        assert (damaged.machine, damaged.state) == ("web", "unknown")
        assert str(record) in damaged.why
        assert "--adopt" in damaged.why
