"""Replicas of points: real exports, real machines."""

import os
import signal

import msgspec
import pytest

from tests.hypervisor.stage import WAITS
from tests.replica.conftest import MIB, House, unseen
from understudy import app, engine
from understudy.errors import Conflict, NotFound
from understudy.hypervisor.protocol import Status

WRITES = """
echo "@had $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 3)"
echo "written here" | dd of=/dev/vda bs=4096 seek=1 conv=fsync 2>/dev/null
echo "@wrote $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 7)"
"""


async def test_a_life(house: House) -> None:
    await house.protect(vda=8 * MIB, vdb=2 * MIB)
    order, replicas = house.order(WRITES + WAITS), house.replicas
    with pytest.raises(NotFound):
        await replicas.state("web-1")
    state = await replicas.start(order, unseen)
    assert (state.vm.status, state.below, state.serving) == (Status.RUNNING, ("vda", "vdb"), True)
    # Once more is the same one, for another process, too; something else is a conflict.
    again = app.open_replicas(house.connection, [house.root, house.kit.kernel.parent])
    assert await again.start(order, unseen) == state
    assert await again.find() == {"web-1": (order, state)}
    with pytest.raises(Conflict, match="something else"):
        await replicas.start(msgspec.structs.replace(order, track=True), unseen)
    assert {"@had vda", "@wrote written"} <= set(await house.stage.says("web-1", "@wrote"))
    assert await house.held() == 1
    os.kill(state.vm.process, signal.SIGKILL)
    await house.stage.until("web-1", lambda state: not state.alive)
    # As after a crash of the host: what it wrote is there.
    assert (await replicas.start(order, unseen)).vm.status is Status.RUNNING
    await house.stage.says("web-1", "@had wri")
    await replicas.end("web-1", None)
    state = await replicas.state("web-1")
    assert (state.vm.status, state.serving) == (Status.ENDED, True)
    await replicas.remove("web-1")
    await replicas.remove("web-1")
    assert (await replicas.find(), await house.held()) == ({}, 0)
    assert os.listdir(house.root / "s" / "replicas") == []


async def test_a_record_of_changes_begins_with_the_guest(house: House) -> None:
    """The first cycle of what runs here now is what its guest wrote, and no more was read for it."""
    await house.protect(vda=64 * MIB, vdb=2 * MIB)
    await house.replicas.start(house.order(WRITES + WAITS, track=True), unseen)
    await house.stage.says("web-1", "@wrote")
    qmp = str(house.stage.hypervisor.sockets("web-1")[0])
    await house.engine.protect(engine.Protect(name="web", source=engine.QemuSource(qmp=qmp), adopt=True))
    cycle = await house.replicate()
    assert (cycle.cause, cycle.changed_blocks, cycle.scanned_blocks) == ("delta", 1, 16)
    targets = {name: str(house.root / f"{name}.restored") for name in house.images}
    await house.engine.restore(engine.Restore(machine="web", point=cycle.point, format="raw", targets=targets), unseen)
    truth = bytearray(house.images["vda"].read_bytes())
    truth[4096 : 4096 + 13] = b"written here\n"
    assert (house.root / "vda.restored").read_bytes() == truth
    assert (house.root / "vdb.restored").read_bytes() == house.images["vdb"].read_bytes()
