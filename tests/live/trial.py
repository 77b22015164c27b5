"""A machine to lose track of: what it has, and how its cycles are held against what differs."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live.followed import Followed, following
from tests.source.machine import MIB, Disk, Machine, blockdev
from understudy.engine import Cycle
from understudy.model import BLOCK_SIZE

KIB64 = 65536


def tool(*words: str | Path, fails: bool = False) -> str:
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True)
    assert bool(done.returncode) == fails, done.stderr + done.stdout
    return done.stdout + done.stderr


def differing(old: bytes, new: bytes) -> int:
    """Blocks of `new` that are not what they were; what lies beyond either's end is zero."""

    def block(content: bytes, at: int) -> bytes:
        return content[at : at + BLOCK_SIZE].ljust(BLOCK_SIZE, b"\0")

    return sum(block(old, at) != block(new, at) for at in range(0, len(new), BLOCK_SIZE))


@dataclass
class Trial:
    """A machine with a raw disk `raw`, a qcow2 `cow` and a wrapped raw one `wrap`, followed, with one point."""

    followed: Followed
    directory: Path

    @property
    def data(self) -> Path:
        return self.machine.directory / "wrap.data"

    @property
    def machine(self) -> Machine:
        return self.followed.machine

    async def records(self, node: str) -> list[str]:
        """Those in memory."""
        nodes = await self.machine.execute("query-named-block-nodes", flat=True)
        assert isinstance(nodes, list)
        bitmaps = [bitmap for entry in nodes if entry["node-name"] == node for bitmap in entry.get("dirty-bitmaps", ())]
        return [bitmap["name"] for bitmap in bitmaps if bitmap.get("recording") and not bitmap["persistent"]]

    async def snapshot_job(self, what: str, name: str) -> str:
        """Save or load a disk's snapshot and the VM's state in it; why it failed."""
        machine, node = self.machine, f"{name}-format"
        await machine.execute(f"snapshot-{what}", job_id="snapshot", tag="state", vmstate=node, devices=[node])
        found = {}

        async def over() -> bool:
            jobs = await machine.execute("query-jobs")
            assert isinstance(jobs, list)
            found.update(next(job for job in jobs if job["id"] == "snapshot"))
            return bool(found["status"] == "concluded")

        await machine.until(over)
        await machine.execute("job-dismiss", id="snapshot")
        # Loading leaves the VM standing in a state of its own.
        await machine.execute("cont")
        await machine.execute("stop")
        return str(found.get("error", ""))

    def must_be_proportionate(self, cycle: Cycle) -> None:
        """Noise does not compress: what is stored is what differs from the point before, and what describes it."""
        *_, old, new = self.followed.points.values()
        differ = sum(differing(old.get(name, b""), content) for name, content in new.items())
        assert cycle.changed_blocks == differ
        assert cycle.stored_bytes <= differ * BLOCK_SIZE * 1.1 + 16384

    def path(self, name: str) -> Path:
        return next(disk.path for disk in self.machine.disks if disk.name == name)

    async def restart(self) -> None:
        await self.machine.quit()
        await self.machine.start()

    async def write(self, name: str, number: int) -> None:
        """64 KiB of something else."""
        await self.machine.write(name, number * KIB64, KIB64, 1 + number)


@asynccontextmanager
async def begun(short_directory: Path, tmp_path: Path) -> AsyncIterator[Trial]:
    disks = [blockdev(short_directory, "raw", "raw", 4 * MIB), blockdev(short_directory, "cow", "qcow2", 4 * MIB), wrapped(short_directory)]
    machine = Machine(short_directory, disks)
    await machine.start()
    try:
        noise = tmp_path / "noise"
        noise.write_bytes(os.urandom(3 * MIB))
        for disk in disks:
            await machine.io(disk.name, f"write -s {noise} 0 3M")
        async with following(machine, tmp_path) as followed:
            trial = Trial(followed, tmp_path)
            assert (await followed.cycle()).cause == "initial"
            yield trial
    finally:
        await machine.kill()


def wrapped(directory: Path) -> Disk:
    disk = blockdev(directory, "wrap", "qcow2", 4 * MIB)
    data = directory / "wrap.data"
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on,preallocation=metadata", disk.path, "4M")
    return disk
