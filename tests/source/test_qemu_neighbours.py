"""Neighbours in the same QEMU that must be left alone."""

import secrets

import numpy as np
import pytest

from tests.source.machine import MIB
from tests.source.test_qemu_shapes import cycle
from understudy.errors import SourceBusy
from understudy.model import BLOCK_SIZE
from understudy.source.qemu_method import FLEECING, PUSH, Wanted

ONE = np.array([[0, 1]], np.int64)


async def first_block(disk) -> None:
    await disk.read_into(ONE, np.zeros(BLOCK_SIZE, np.uint8))


async def test_neighbours_are_left_alone(two_disks):
    """A foreign bitmap, another machine's bitmap, a foreign node and job."""
    machine = two_disks
    await machine.execute("block-dirty-bitmap-add", node="vda-format", name="backup-2024")
    other = f"understudy-{'f' * 12}-{'0' * 32}"
    await machine.execute("block-dirty-bitmap-add", node="vda-format", name=other)
    await machine.execute("blockdev-add", driver="null-co", node_name="theirs", size=6 * MIB, read_zeroes=True)
    await machine.execute("blockdev-backup", job_id="theirs", device="vdb-format", target="theirs", sync="none")
    await machine.write("vda", 0, 65536, 7)
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("vda", MIB, 65536, 7)
    await cycle(source, machine, base, content)
    await source.remove()
    await source.close()
    nodes = await machine.execute("query-named-block-nodes", flat=True)
    bitmaps = {bitmap["name"]: bitmap for node in nodes for bitmap in node.get("dirty-bitmaps", ()) if "name" in bitmap}
    assert bitmaps.keys() == {"backup-2024", other}
    assert bitmaps["backup-2024"]["recording"]
    assert bitmaps["backup-2024"]["count"] >= 2 * 65536
    assert [job["id"] for job in await machine.execute("query-jobs")] == ["theirs"]


async def test_a_foreign_nbd_server_is_left_alone(two_disks):
    machine = two_disks
    theirs = machine.directory / "theirs"
    await machine.execute("nbd-server-start", addr={"type": "unix", "data": {"path": str(theirs)}})
    await machine.execute("block-export-add", type="nbd", id="theirs", node_name="vda-format", name="theirs")
    machine.wanted = Wanted(FLEECING)
    source = machine.source()
    await source.recover(None)
    with pytest.raises(SourceBusy, match="already runs an NBD server that understudy did not start"):
        await source.freeze(secrets.token_hex(16), None)
    await source.close()
    machine.wanted = Wanted()
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("vda", MIB, MIB, 9)
    await source.freeze(point := secrets.token_hex(16), base)
    await source.release(False)
    snapshot = await source.freeze(point, base)
    assert snapshot.method == PUSH
    await source.release(False)
    base, content = await cycle(source, machine, base, content)
    assert [export["id"] for export in await machine.execute("query-block-exports")] == ["theirs"]
    assert theirs.is_socket()
    await machine.execute("nbd-server-stop")
    await machine.write("vda", MIB, MIB, 10)
    snapshot = await source.freeze(secrets.token_hex(16), base)
    assert snapshot.method == FLEECING
    await source.release(False)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_a_disk_that_a_foreign_job_has(two_disks):
    """Whoever mirrors a disk or commits a snapshot ends some time; until then a follower must neither disturb it nor end itself."""
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    mirror = machine.directory / "mirror"
    mirror.write_bytes(bytes(8 * MIB))
    await machine.execute("blockdev-add", driver="file", filename=str(mirror), node_name="mirror")
    await machine.execute("blockdev-mirror", job_id="theirs", device="vda-format", target="mirror", sync="none")
    await machine.write("vda", MIB, MIB, 9)
    with pytest.raises(SourceBusy, match="in use by block job: mirror") as caught:
        await source.freeze(secrets.token_hex(16), base)
    assert caught.value.retryable
    await machine.execute("block-job-cancel", device="theirs", force=True)
    await cycle(source, machine, base, content)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_our_server_stays_while_somebody_else_exports_by_it(two_disks):
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    await source.freeze(secrets.token_hex(16), None)
    await machine.execute("block-export-add", type="nbd", id="theirs", node_name="vdb-format", name="theirs")
    await source.release(False)
    assert [export["id"] for export in await machine.execute("query-block-exports")] == ["theirs"]
    await source.freeze(secrets.token_hex(16), None)
    await source.release(False)
    await machine.execute("block-export-del", id="theirs", mode="hard")
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()
