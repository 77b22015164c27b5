"""What can be done to the images of a VM that is shut down, each of which a record of changes in them knows nothing of."""

import asyncio
import json
import mmap
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.live.trial import KIB64, Trial, tool
from tests.source.machine import Machine

Tampering = Callable[[Trial], Awaitable[None]]

PLACE = 9 * KIB64


def cluster(path: Path) -> int:
    """Where in a qcow2 file the disk's bytes at PLACE are."""
    found = json.loads(tool("qemu-img", "map", "--output=json", "-f", "qcow2", path))
    return next(part["offset"] + PLACE - part["start"] for part in found if part["start"] <= PLACE < part["start"] + part["length"])


def overwrite(path: Path, offset: int) -> None:
    tool("dd", "if=/dev/urandom", f"of={path}", "bs=4k", "count=4", f"seek={offset}", "oflag=seek_bytes", "conv=notrunc")


async def written_in_place(trial: Trial) -> None:
    path = trial.path("cow")
    overwrite(path, cluster(path))


async def written_with_its_times_put_back(trial: Trial) -> None:
    path = trial.path("cow")
    before = path.stat()
    overwrite(path, cluster(path))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_size == before.st_size


async def written_through_a_mapping(trial: Trial) -> None:
    with trial.data.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[PLACE : PLACE + 4096] = os.urandom(4096)


async def cut_and_grown(trial: Trial) -> None:
    """By name: nobody opens it."""
    size = trial.data.stat().st_size
    os.truncate(trial.data, size // 2)
    os.truncate(trial.data, size)


async def punched(trial: Trial) -> None:
    tool("fallocate", "--punch-hole", "--offset", PLACE, "--length", 4096, trial.data)


async def written_by_qemu_io(trial: Trial) -> None:
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P {time.time_ns() % 251 + 1} {PLACE} 8k", trial.path("cow"))


async def written_by_qemu_nbd(trial: Trial) -> None:
    at = trial.machine.directory / "nbd"
    server = await asyncio.create_subprocess_exec("qemu-nbd", "-f", "qcow2", "-k", at, trial.path("wrap"))

    async def listens() -> bool:
        return await asyncio.to_thread(at.exists)

    await trial.machine.until(listens)
    tool("qemu-io", "-f", "raw", "-c", f"write -P {time.time_ns() % 251 + 1} {PLACE} 8k", f"nbd+unix:///?socket={at}")
    assert await server.wait() == 0


async def snapshot_gone_back_to(trial: Trial) -> None:
    """QEMU refuses that as long as there are records of changes; who wants it removes them."""
    path = trial.path("cow")
    tool("qemu-img", "snapshot", "-c", "before", path)
    tool("qemu-img", "snapshot", "-a", "before", path, fails=True)
    for bitmap in bitmaps(path):
        tool("qemu-img", "bitmap", "--remove", path, bitmap)
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P 7 {PLACE} 64k", path)
    tool("qemu-img", "snapshot", "-a", "before", path)
    tool("qemu-img", "snapshot", "-d", "before", path)


def bitmaps(path: Path) -> list[str]:
    info = json.loads(tool("qemu-img", "info", "--output=json", "-f", "qcow2", path))
    return [bitmap["name"] for bitmap in info["format-specific"]["data"].get("bitmaps", ())]


def record(path: Path) -> str:
    """The record of changes, beside which the witness of the disk's size stands."""
    (name,) = [name for name in bitmaps(path) if "-size-" not in name]
    return name


async def rebased(trial: Trial) -> None:
    path = trial.path("over")
    base = path.with_suffix(f".{time.time_ns()}")
    tool("qemu-img", "create", "-q", "-f", "qcow2", base, "4M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 99 1M 1M", base)
    tool("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", base, path)


async def backing_written(trial: Trial) -> None:
    info = json.loads(tool("qemu-img", "info", "--output=json", "-f", "qcow2", trial.path("over")))
    base = Path(info["full-backing-filename"])
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P {time.time_ns() % 251 + 1} 3M 64k", base)


async def committed(trial: Trial) -> None:
    tool("qemu-img", "commit", "-q", "-f", "qcow2", trial.path("over"))


async def replaced_by_an_older_copy(trial: Trial) -> None:
    path = trial.path("cow")
    old = path.with_suffix(".old")
    shutil.copy2(path, old)
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P 5 {PLACE} 64k", path)
    tool("cp", "-p", old, path)


async def replaced_by_a_moved_copy(trial: Trial) -> None:
    path = trial.data
    shutil.copy2(path, path.with_suffix(".copy"))
    overwrite(path.with_suffix(".copy"), PLACE)
    path.with_suffix(".copy").rename(path)


async def data_written(trial: Trial) -> None:
    overwrite(trial.data, PLACE)


async def data_written_through_a_loop_device(trial: Trial) -> None:
    device = tool("losetup", "--find", "--show", "--direct-io=on", trial.data).strip()
    try:
        tool("dd", "if=/dev/urandom", f"of={device}", "bs=4k", "count=1", f"seek={PLACE}", "oflag=seek_bytes,direct", "conv=notrunc")
    finally:
        tool("losetup", "--detach", device)


async def run_in_between(trial: Trial) -> None:
    """By a QEMU that nobody here knows of."""
    other = Machine(trial.machine.directory / "other", trial.machine.disks)
    other.directory.mkdir(exist_ok=True)
    await other.start()
    await other.write("cow", PLACE, 4096, time.time_ns() % 251 + 1)
    await other.quit()


async def record_removed(trial: Trial) -> None:
    tool("qemu-img", "bitmap", "--remove", trial.path("cow"), record(trial.path("cow")))


async def record_switched_off(trial: Trial) -> None:
    tool("qemu-img", "bitmap", "--disable", trial.path("cow"), record(trial.path("cow")))


async def record_cleared(trial: Trial) -> None:
    tool("qemu-img", "bitmap", "--clear", trial.path("wrap"), record(trial.path("wrap")))


async def record_made_anew(trial: Trial) -> None:
    """Under its old name it is another one."""
    path = trial.path("cow")
    name = record(path)
    tool("qemu-img", "bitmap", "--remove", path, name)
    tool("qemu-img", "bitmap", "--add", path, name)


WROTE = "somebody wrote to"

WAYS: dict[str, dict[Tampering, str]] = {
    "cow": {
        written_in_place: WROTE,
        written_with_its_times_put_back: WROTE,
        written_by_qemu_io: WROTE,
        snapshot_gone_back_to: "no record of changes",
        replaced_by_an_older_copy: WROTE,
        record_removed: "no record of changes",
        record_switched_off: "switched off",
        record_made_anew: WROTE,
    },
    "wrap": {
        data_written: WROTE,
        written_through_a_mapping: WROTE,
        cut_and_grown: WROTE,
        punched: WROTE,
        written_by_qemu_nbd: WROTE,
        data_written_through_a_loop_device: WROTE,
        replaced_by_a_moved_copy: "it was deleted",
        record_cleared: WROTE,
    },
    "over": {rebased: WROTE, backing_written: WROTE, committed: WROTE},
}
"""By the disk that it is done to; with what the operator is told."""
