"""Replicas of points: real exports, real machines."""

import asyncio
import multiprocessing
import os
import random
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests import dying
from tests.hypervisor.stage import WAITS
from tests.replica.conftest import MIB, House, unseen
from tests.waiting import until
from understudy import app, engine, serving
from understudy.errors import Conflict, NotFound, StateFailed, UnderstudyError
from understudy.hypervisor.protocol import Status
from understudy.replica.earlier import end_earlier
from understudy.replica.naming import run_named
from understudy.replica.values import StartReplica

CONTEXT = multiprocessing.get_context("forkserver")

WRITES = """
echo "@had $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 3)"
echo "written here" | dd of=/dev/vda bs=4096 seek=1 conv=fsync 2>/dev/null
echo "@wrote $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 7)"
"""

READS = """
while n=$((n + 1)); do
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/vda of=/dev/null bs=1M count=8 skip=$((n * 8 % 80)) 2>/dev/null || echo "@error"
    echo "@round $n"
done
"""

FAR = 'echo "@$(dd if=/dev/vda bs=4096 skip=134217728 count=1 2>/dev/null)"'


async def test_a_life(house: House) -> None:
    await house.protect(vda=8 * MIB, vdb=2 * MIB)
    order, replicas = house.order(WRITES + WAITS), house.replicas
    with pytest.raises(NotFound):
        await replicas.state("web-1")
    state = await replicas.start(order, unseen)
    assert (state.vm.status, state.below, state.serving) == (Status.RUNNING, ("vda", "vdb"), True)
    # Once more is the same one, for another process, too; something else is a conflict.
    again = serving.open_replicas(house.connection, [house.root, house.kit.kernel.parent])
    assert await again.start(order, unseen) == state
    assert (await again.find()).known == {"web-1": (order, state)}
    # And to two that say it at once.
    assert await asyncio.gather(*(replicas.start(order, unseen) for _ in range(2))) == [state, state]
    with pytest.raises(Conflict, match="something else"):
        await replicas.start(msgspec.structs.replace(order, track=True), unseen)
    assert {"@had vda", "@wrote written"} <= set(await house.stage.says("web-1", "@wrote"))
    assert await house.held() == 1
    assert not await replicas.needs_below("web-1")
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
    assert ((await replicas.find()).known, await house.held()) == ({}, 0)
    assert not await replicas.needs_below("web-1")
    assert os.listdir(house.root / "s" / "replicas") == []
    # Nor where whoever began it was killed before it served.
    starter = CONTEXT.Process(target=killed_while_its_export_begins, args=(house.connection, order))
    starter.start()
    await asyncio.to_thread(starter.join)
    assert starter.exitcode == -signal.SIGKILL
    await replicas.remove("web-1")
    assert (app.exports(house.connection.state_dir), await house.held()) == ((), 0)
    assert os.listdir(house.root / "s" / "exports") == []


def killed_while_its_export_begins(connection: engine.Connection, order: StartReplica) -> None:
    dying.once_an_export_begins()
    asyncio.run(app.start_export(connection, engine.StartExport(name=order.run, machine=order.machine, point=order.point)))


async def test_a_damaged_record_hides_no_other_and_permits_nothing_but_its_end(house: House) -> None:
    await house.protect(vda=2 * MIB)
    damaged, well = run_named(house.machine, 1), run_named(house.machine, 2)
    vms = house.stage.hypervisor
    # What its firmware finds is no system to start.
    order = house.order(WAITS, run=damaged, track=True)
    order = msgspec.structs.replace(order, definition=msgspec.structs.replace(order.definition, kernel=None))
    for run in (damaged, well):
        await house.replicas.start(msgspec.structs.replace(order, run=run), unseen)
    record = house.root / "s" / "replicas" / damaged / "replica.json"
    record.write_bytes(record.read_bytes()[:-40])
    found = await house.replicas.find()
    assert (list(found.known), list(found.unread)) == ([well], [damaged])
    assert found.unread[damaged].message.startswith(str(record))
    for refused in (house.replicas.keep(damaged), house.replicas.drain(damaged, unseen)):
        with pytest.raises(StateFailed):
            await refused
    with pytest.raises(StateFailed):
        await house.replicas.start(order, unseen)
    assert (await vms.state(damaged)).status is Status.RUNNING
    # An earlier run of the machine must not run beside a new one, whatever is known of it.
    assert await end_earlier(house.replicas, house.machine, run_named(house.machine, 3), before=2) == ()
    assert [(await vms.state(run)).alive for run in (damaged, well)] == [False, True]
    assert (record.parent / "disks" / "vda.qcow2").exists()
    assert await end_earlier(house.replicas, house.machine, "") == (well,)
    await house.replicas.remove(damaged)


async def test_what_runs_here_becomes_its_own_and_is_followed(house: House) -> None:
    """The first cycle is what its guest wrote, and no more was read for it, though all was copied meanwhile."""
    await house.protect(vda=64 * MIB, vdb=2 * MIB)
    replicas, order = house.replicas, house.order(WRITES + WAITS, track=True)
    await replicas.start(order, unseen)
    await house.stage.says("web-1", "@wrote")
    told: list[engine.Progress] = []
    await replicas.drain("web-1", told.append)
    assert {(now.phase, now.done) for now in told} >= {("drain vda", 8192), ("drain vdb", 8192)}
    await replicas.drain("web-1", unseen)
    state = await replicas.start(order, unseen)
    assert (state.vm.status, state.drained, state.serving, await house.held()) == (Status.RUNNING, True, False, 0)
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
    # Nothing is laid on it anew when it is started again.
    os.kill(state.vm.process, signal.SIGKILL)
    await house.stage.until("web-1", lambda state: not state.alive)
    image = replicas.images("web-1")["vda"]
    assert contents(image)[: 64 * MIB] == truth
    await replicas.start(order, unseen)
    await house.stage.says("web-1", "@had wri")
    assert app.exports(house.connection.state_dir) == ()


async def test_a_disk_of_any_size_starts_and_is_drained_at_once_and_the_vault_does_not_grow(house: House) -> None:
    await house.protect(vda=1 << 40)
    with house.images["vda"].open("r+b") as file:
        file.seek(1 << 39)
        file.write(b"in the middle".ljust(4096))
    house.cycle = await house.replicate()
    before = stored(house)
    order, replicas = house.order(FAR + WAITS), house.replicas
    await replicas.start(order, unseen)
    assert "@in the middle" in [line.strip() for line in await house.stage.says("web-1", "@")]
    await replicas.drain("web-1", unseen)
    assert (await replicas.state("web-1")).drained
    assert sum(path.stat().st_blocks * 512 for path in replicas.images("web-1").values()) < 2 * MIB
    await replicas.remove("web-1")
    # A hold, and its end.
    grown = stored(house) - before
    assert {path.parent.name for path in grown} == {"log"}
    assert len(grown) == 2


async def test_nothing_that_dies_while_it_is_drained_does_harm(house: House) -> None:
    await house.protect(vda=80 * MIB)
    with house.images["vda"].open("r+b") as file:
        file.write(random.Random(1).randbytes(80 * MIB))
    house.cycle = await house.replicate()
    order, replicas = house.order(READS), house.replicas
    state = await replicas.start(order, unseen)
    await house.stage.says("web-1", "@round 1")

    def stop(now: engine.Progress) -> None:
        """In the midst of it the export does not answer any more."""
        if 0 < now.done < (now.total or 0):
            os.kill(export().pid, signal.SIGSTOP)

    def export() -> engine.Export:
        (found,) = app.exports(house.connection.state_dir)
        return found

    draining = asyncio.ensure_future(replicas.drain("web-1", stop))
    await until(lambda: stopped(export().pid))
    # Whoever drained it is gone, then the export.
    draining.cancel()
    os.kill(export().pid, signal.SIGKILL)
    await until(lambda: not export().pid)
    (mended,) = await replicas.mend()
    assert (mended.run, mended.failure) == ("web-1", None)
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert not await replicas.mend()
    draining = asyncio.ensure_future(replicas.drain("web-1", stop))
    await until(lambda: stopped(export().pid))
    # And QEMU.
    os.kill(state.vm.process, signal.SIGKILL)
    with pytest.raises(UnderstudyError):
        await draining
    os.kill(export().pid, signal.SIGCONT)
    state = await replicas.start(order, unseen)
    assert (state.vm.status, state.below) == (Status.RUNNING, ("vda",))
    await replicas.drain("web-1", unseen)
    await house.stage.says("web-1", "@round 1")
    await replicas.end("web-1", None)
    assert b"@error" not in await house.stage.hypervisor.console("web-1")
    assert contents(replicas.images("web-1")["vda"]) == house.images["vda"].read_bytes()


def stored(house: House) -> set[Path]:
    return {path for path in (house.root / "vault").rglob("*") if path.is_file()}


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def contents(image: Path) -> bytes:
    copy = image.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(image), str(copy)], check=True)
    return copy.read_bytes()
