"""Every way of losing track of a VM's writes, one by one: found, told, made good by comparing, and old points stay as they were.

QEMU is real and without a guest; its disks are written through its block layer. What was lost track of costs reading, not sending:
the bytes sent are bounded by what differs.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.live.tampering import bitmaps
from tests.live.trial import KIB64, Trial, begun, tool
from tests.source.machine import MIB, blockdev
from understudy.errors import SourceRefused
from understudy.model import BLOCK_SIZE


@pytest.fixture
async def trial(short_directory: Path, tmp_path: Path) -> AsyncIterator[Trial]:
    async with begun(short_directory, tmp_path) as trial:
        yield trial


async def killed(trial: Trial) -> None:
    await trial.write("cow", 1)
    await trial.machine.kill()
    await trial.machine.start()
    await trial.write("cow", 2)


async def restarted(trial: Trial) -> None:
    await trial.write("cow", 1)
    await trial.restart()
    await trial.write("raw", 3)


async def restarted_unseen(trial: Trial) -> None:
    await trial.followed.end()
    await trial.write("cow", 1)
    await trial.restart()


async def restarted_twice_unseen(trial: Trial) -> None:
    await trial.machine.quit()
    await trial.followed.end()
    await trial.machine.start()
    await trial.write("wrap", 1)
    await trial.restart()


async def written_by_a_tool(trial: Trial) -> None:
    await trial.machine.quit()
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 77 128k 64k", trial.path("cow"))
    await trial.machine.start()


async def tool_killed(trial: Trial) -> None:
    await trial.machine.quit()
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 77 128k 64k", "-c", "flush", "-c", "sigraise 9", trial.path("cow"), fails=True)
    await trial.machine.start()


async def data_file_written(trial: Trial) -> None:
    await trial.machine.quit()
    with trial.data.open("r+b") as file:
        file.seek(MIB)
        file.write(b"x" * KIB64)
    await trial.machine.start()


async def data_file_replaced(trial: Trial) -> None:
    await trial.machine.quit()
    shutil.copy2(trial.data, trial.data.with_suffix(".copy"))
    trial.data.with_suffix(".copy").rename(trial.data)
    await trial.machine.start()


async def raw_written(trial: Trial) -> None:
    await trial.machine.quit()
    tool("dd", "if=/dev/urandom", f"of={trial.path('raw')}", "bs=64k", "count=1", "seek=5", "conv=notrunc")
    await trial.machine.start()


async def snapshot_applied(trial: Trial) -> None:
    path = trial.path("cow")
    await trial.machine.quit()
    tool("qemu-img", "snapshot", "-c", "before", path)
    await trial.machine.start()
    await trial.write("cow", 1)
    await trial.followed.cycle()
    await trial.machine.quit()
    for bitmap in bitmaps(path):
        tool("qemu-img", "bitmap", "--remove", path, bitmap)
    tool("qemu-img", "snapshot", "-a", "before", path)
    await trial.machine.start()


async def snapshot_taken_offline(trial: Trial) -> None:
    await trial.machine.quit()
    tool("qemu-img", "snapshot", "-c", "now", trial.path("cow"))
    await trial.machine.start()


async def snapshot_loaded(trial: Trial) -> None:
    """QEMU refuses it while a record of ours is there, and changes nothing."""
    await trial.write("cow", 1)
    assert await trial.snapshot_job("save", "cow") == ""
    await trial.write("cow", 2)
    await trial.followed.cycle()
    assert "active dirty bitmaps" in await trial.snapshot_job("load", "cow")
    assert (await trial.followed.cycle()).changed_blocks == 0
    await trial.followed.end()
    await trial.followed.unprotect()
    assert await trial.snapshot_job("load", "cow") == ""
    await trial.followed.protect()


async def external_snapshot(trial: Trial) -> None:
    await trial.write("cow", 1)
    await trial.machine.snapshot("cow")
    await trial.write("cow", 2)


async def external_snapshot_committed(trial: Trial) -> None:
    await external_snapshot(trial)
    assert "another node" in (await trial.followed.cycle()).reason
    await trial.write("cow", 3)
    await trial.machine.commit("cow")
    await trial.write("cow", 4)


async def external_snapshot_committed_at_once(trial: Trial) -> None:
    """QEMU's record of the lower image saw all that was committed into it."""
    await external_snapshot(trial)
    await trial.machine.commit("cow")
    await trial.write("cow", 3)


async def replaced_by_another(trial: Trial) -> None:
    await trial.machine.quit()
    tool("qemu-img", "convert", "-O", "qcow2", trial.path("cow"), trial.path("cow").with_suffix(".new"))
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 3 256k 64k", trial.path("cow").with_suffix(".new"))
    trial.path("cow").with_suffix(".new").rename(trial.path("cow"))
    await trial.machine.start()


async def replaced_by_an_older_copy(trial: Trial) -> None:
    path = trial.path("cow")
    await trial.write("cow", 1)
    await trial.machine.quit()
    shutil.copy2(path, path.with_suffix(".old"))
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 3 256k 64k", path)
    shutil.copy2(path.with_suffix(".old"), path)
    await trial.machine.start()


async def backing_changed(trial: Trial) -> None:
    path = trial.path("cow")
    await trial.machine.quit()
    path.rename(path.with_suffix(".base"))
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path.with_suffix(".base"), path)
    await trial.machine.start()


async def record_removed(trial: Trial) -> None:
    await trial.write("cow", 1)
    (name,) = await trial.records("cow-format")
    await trial.machine.execute("block-dirty-bitmap-remove", node="cow-format", name=name)


async def record_switched_off(trial: Trial) -> None:
    (name,) = await trial.records("cow-format")
    await trial.machine.execute("block-dirty-bitmap-disable", node="cow-format", name=name)
    await trial.write("cow", 1)


async def grown(trial: Trial) -> None:
    for name in ("raw", "cow"):
        await trial.machine.execute("block_resize", node_name=f"{name}-format", size=5 * MIB)
        await trial.write(name, 70)


async def shrunk(trial: Trial) -> None:
    await trial.machine.execute("block_resize", node_name="cow-format", size=2 * MIB)


async def shrunk_and_grown_again(trial: Trial) -> None:
    """Nothing marks what grew back, though its content is gone."""
    for name in ("raw", "cow"):
        for size in (2 * MIB, 4 * MIB):
            await trial.machine.execute("block_resize", node_name=f"{name}-format", size=size)


async def added(trial: Trial) -> None:
    await trial.machine.quit()
    disk = blockdev(trial.machine.directory, "late", "qcow2", MIB)
    trial.machine.disks.append(disk)
    await trial.machine.start()
    await trial.write("late", 1)


async def removed(trial: Trial) -> None:
    await trial.machine.quit()
    del trial.machine.disks[2]
    await trial.machine.start()


async def excluded(trial: Trial) -> None:
    await trial.write("cow", 1)
    await trial.followed.end()
    await trial.followed.protect(exclude=("wrap",))


async def node_renamed(trial: Trial) -> None:
    await trial.write("cow", 1)
    await trial.machine.quit()
    disk = trial.machine.disks[1]
    disk.options = [option.replace("cow-format", "renamed") for option in disk.options]
    await trial.machine.start()


async def beside_others(trial: Trial) -> None:
    await trial.machine.execute("block-dirty-bitmap-add", node="cow-format", name="theirs", persistent=True)
    await trial.machine.execute("blockdev-add", driver="null-co", node_name="sink", size=4 * MIB, read_zeroes=True)
    await trial.machine.execute("blockdev-backup", job_id="theirs", device="cow-format", target="sink", sync="none")
    await trial.write("cow", 1)


async def migrated(trial: Trial) -> None:
    """The source end is followed no more; the target end is another QEMU."""
    machine = trial.machine
    await trial.write("cow", 1)
    state = machine.directory / "migrated"
    await machine.execute("migrate", uri=f"exec:cat >{state}")

    async def completed() -> bool:
        found = await machine.execute("query-migrate")
        assert isinstance(found, dict)
        return found.get("status") == "completed"

    async def arrived() -> bool:
        found = await machine.execute("query-status")
        assert isinstance(found, dict)
        return found["status"] != "inmigrate"

    await machine.until(completed)
    with pytest.raises(SourceRefused, match="migrated to another QEMU"):
        await trial.followed.blind()
    await machine.kill()
    machine.options += ["-incoming", f"exec:cat {state}"]
    await machine.start()
    await machine.until(arrived)
    # Until it runs, newer QEMUs leave the images to the other end.
    await machine.execute("cont")
    await machine.execute("stop")
    await trial.write("cow", 2)


Loss = Callable[[Trial], Awaitable[None]]

RESTARTED = ("the VM was restarted",)
"""No record of changes of a raw disk outlives its QEMU."""

WAYS: dict[Loss, tuple[str, ...]] = {
    killed: RESTARTED,
    restarted: RESTARTED,
    restarted_unseen: RESTARTED,
    restarted_twice_unseen: RESTARTED,
    written_by_a_tool: RESTARTED,
    tool_killed: RESTARTED,
    data_file_written: RESTARTED,
    data_file_replaced: RESTARTED,
    raw_written: RESTARTED,
    snapshot_applied: RESTARTED,
    snapshot_taken_offline: RESTARTED,
    snapshot_loaded: ("no record of changes",),
    external_snapshot: ("another node",),
    external_snapshot_committed: ("no record of changes",),
    external_snapshot_committed_at_once: (),
    replaced_by_another: RESTARTED,
    replaced_by_an_older_copy: RESTARTED,
    backing_changed: RESTARTED,
    record_removed: ("somebody removed the record",),
    record_switched_off: ("switched off",),
    grown: ("disk raw was resized", "disk cow was resized"),
    shrunk: ("disk cow was resized",),
    shrunk_and_grown_again: ("disk raw was shrunk and grown again", "disk cow was shrunk and grown again"),
    added: (*RESTARTED, "disk late was added"),
    removed: (*RESTARTED, "disk wrap was removed"),
    excluded: ("disk wrap was excluded",),
    node_renamed: RESTARTED,
    beside_others: (),
    migrated: RESTARTED,
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_way_of_losing_track(trial: Trial, way: Loss) -> None:
    await way(trial)
    cycle = await trial.followed.cycle()
    assert cycle.cause == ("resync" if WAYS[way] else "delta"), cycle.reason
    for words in WAYS[way]:
        assert words in cycle.reason, cycle.reason
    trial.must_be_proportionate(cycle)
    for disk in trial.machine.disks:
        await trial.write(disk.name, 9)
    again = await trial.followed.cycle()
    assert (again.cause, again.reason) == ("delta", "")
    assert again.scanned_blocks <= len(trial.machine.disks) * KIB64 // BLOCK_SIZE * 2
    await trial.followed.prove()
