"""Images that ran on past a point come back to it as a standby; what they held beyond is put aside, can be seen, and dropped."""

import asyncio
from pathlib import Path

import pytest

from tests.local.test_standby import SIZES, There, silent
from tests.local.test_standby import there as there
from understudy import engine
from understudy.errors import Conflict, NotFound, StateFailed
from understudy.local.export_content import ExportContent
from understudy.local.standby.orphans import orphan_dropped, orphans_of, rolled_back
from understudy.recovery.export.base import PIECE, PointDisk
from understudy.recovery.export.overlay import Overlay
from understudy.recovery.export.stock import Stock
from understudy.recovery.orphan import read_orphan
from understudy.recovery.place import Place
from understudy.recovery.rollback import _Rollback


async def exported(there: There, orphan: engine.Orphan, name: str) -> bytes:
    """As an export of its point with it as the overlay shows the disk."""
    content = await ExportContent.open(there.vault, there.log, bytes.fromhex(orphan.point))
    disk = next(disk for disk in content.disks if disk.disk.name == name)
    record = await asyncio.to_thread(read_orphan, Path(orphan.directory))
    assert record is not None
    stock = Stock(there.world.directory, PIECE * 4096)
    overlay = Overlay(Path(orphan.directory), PointDisk(disk, content.renew, stock), record.whose(name))
    try:
        shown = await overlay.read(0, disk.disk.size)
        assert shown is not None
        return bytes(shown.data)
    finally:
        overlay.close()
        stock.close()


async def test_an_old_primary_comes_back_as_the_standby(there: There) -> None:
    """Its disks ran on past the point; the other site went on from there."""
    point = there.world.points[0]
    places = {}
    divergent = {}
    there.images.mkdir()
    for name in SIZES:
        path = there.images / f"{name}.raw"
        held = bytearray(there.world.held[point][name])
        held[100_000:200_000] = there.world.random.bytes(100_000)
        held[-3:] = b"end"
        path.write_bytes(held)
        divergent[name] = bytes(held)
        places[name] = Place(path, "raw")
    there.world.scribble(2)
    newer = await there.world.cycle()
    await there.log.refresh()
    for _ in range(2):
        await rolled_back(there.vault, there.log, there.site, places, point, silent, name="first")
    assert there.holds(point)
    (orphan,) = orphans_of(there.vault, there.log, there.site)
    assert (orphan.state, orphan.point, orphan.number) == ("done", point, there.log.state.points[0].seq)
    assert 200_000 < orphan.stored_bytes < 600_000
    assert orphan.saved_bytes
    for name, held in divergent.items():
        assert await exported(there, orphan, name) == held
    done = await there.follow()
    assert [(disk.trusted, disk.proven) for disk in done.disks] == [("known", False)] * 2
    assert there.holds(newer)
    await orphan_dropped(there.vault, there.log, there.site, "first")
    assert orphans_of(there.vault, there.log, there.site) == ()
    with pytest.raises(NotFound):
        await orphan_dropped(there.vault, there.log, there.site, "first")


async def test_what_a_rollback_put_aside_that_another_one_finished_can_be_dropped(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was ended before it wrote, and its images were used then: what they hold was put aside anew."""
    point = there.world.points[0]
    places = {name: Place(there.images / f"{name}.raw", "raw") for name in SIZES}
    there.images.mkdir()
    for name, place in places.items():
        place.path.write_bytes(b"x" * 8192 + there.world.held[point][name][8192:])

    async def ended(*_: object, **__: object) -> None:
        raise StateFailed("it is ended")

    with monkeypatch.context() as patch:
        patch.setattr(_Rollback, "_bring", ended)
        with pytest.raises(StateFailed):
            await rolled_back(there.vault, there.log, there.site, places, point, silent, name="first")
    for place in places.values():
        with place.path.open("r+b") as file:
            file.write(b"y" * 4096)
    with pytest.raises(Conflict, match="used since"):
        await rolled_back(there.vault, there.log, there.site, places, point, silent, name="first")
    with pytest.raises(Conflict, match="half brought back"):
        await orphan_dropped(there.vault, there.log, there.site, "first")
    await rolled_back(there.vault, there.log, there.site, places, point, silent, name="second")
    assert [orphan.state for orphan in orphans_of(there.vault, there.log, there.site)] == ["saved", "done"]
    await orphan_dropped(there.vault, there.log, there.site, "first")
    assert [orphan.name for orphan in orphans_of(there.vault, there.log, there.site)] == ["second"]
    assert there.holds(point)
