"""Disks of 8 TiB with little in them: what a cycle, a rebuild and a restore cost follows what is in a disk, never its size."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults import FaultyStore
from tests.replication.world import World
from understudy.model import BLOCK_SIZE
from understudy.recovery.content import finder, read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.vault.maps import parts
from understudy.vault.maps.checkpoint import POINTS_MAX
from understudy.vault.maps.reading import history_of
from understudy.vault.maps.resolve import resolve

SIZE = 8 << 40
WRITES = 64
"""Of 64 KiB each, anywhere."""
CHANGED = 2
MEMORY = 256 << 10
"""KiB that a process may take for all of it: the limit of the daemon's promise."""


def scattered(path: Path, seed: int, writes: int) -> None:
    chance = random.Random(seed)
    with path.open("r+b") as file:
        for _ in range(writes):
            file.seek(chance.randrange(SIZE >> 20) << 20)
            file.write(chance.randbytes(65536))


def allocated(path: Path) -> int:
    """Bytes that a file or tree really takes."""
    return sum(found.stat().st_blocks * 512 for found in [path, *path.rglob("*")])


def same(one: Path, other: Path) -> bool:
    """Whether all data of one sparse file is in the other."""
    with one.open("rb") as left, other.open("rb") as right:
        position = 0
        while True:
            try:
                start = os.lseek(left.fileno(), position, os.SEEK_DATA)
            except OSError:
                return True
            position = os.lseek(left.fileno(), start, os.SEEK_HOLE)
            if os.pread(left.fileno(), position - start, start) != os.pread(right.fileno(), position - start, start):
                return False


async def live(root: Path) -> None:
    """A disk's life, from its first cycle to its restoration."""
    world = World(root)
    disk = world.disk("vda")
    disk.touch()
    os.truncate(disk, SIZE)
    scattered(disk, 1, WRITES)
    await world.create()
    async with world.replicator() as replicator:
        await replicator.open()
        first = await replicator.cycle()
        assert first.stats.changed == first.stats.scanned == WRITES * 65536 // BLOCK_SIZE
        for number in range(POINTS_MAX + 1):
            idle = await replicator.cycle()
            assert (idle.stats.changed, idle.stats.stored) == (0, 0)
            scattered(disk, 1000 + number, 1)
            assert (await replicator.cycle()).stats.changed <= 65536 // BLOCK_SIZE
    async with world.vault() as (vault, log):
        directory = world.directory(vault, log)
        assert allocated(directory) < 8 << 20
        assert isinstance(vault.store, FaultyStore)
        vault.store.calls.clear()
        await resolve(history_of(vault, log), log.state.points[-1].point.id)
        assert log.state.checkpoints
        assert len(vault.store.calls) < 8, "pages of many regions come in few requests"
    # In many parts, however little there is.
    parts.ROWS = 20
    shutil.rmtree(directory)
    scattered(disk, 2, CHANGED)
    async with world.replicator() as replicator:
        await replicator.open()
        rebuilt = await replicator.cycle()
    assert rebuilt.cause == "delta"
    assert rebuilt.stats.changed == CHANGED * 65536 // BLOCK_SIZE
    async with world.vault() as (vault, log):
        history = history_of(vault, log)
        target = root / "restored.img"
        await materialise(await read_point(history, rebuilt.point), {"vda": Place(target, "raw")}, finder(history))
    assert target.stat().st_size == SIZE
    assert allocated(target) < 2 * allocated(disk)
    assert same(disk, target)
    assert same(target, disk)


def test_a_sparse_disk_of_8_tib(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from tests.replication.test_large import live; asyncio.run(live(pathlib.Path(sys.argv[1]))); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MEMORY
