"""Vaults that have grown, made by real cycles once and kept below .cache: their bytes are what any later version reads, too."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from understudy import app, engine
from understudy.model import BLOCK_SIZE

CACHE = Path(__file__).parents[2] / ".cache" / "bench" / "growth"
MACHINE = "web"
DISK = 4 << 20
"""Bytes of the machine's disk: small, so that what grows is the log and not the data."""
ONE_OF_MANY = 256 << 10
"""Of each machine's, where they are many."""
STRIDE = 389
"""Blocks from one change to the next; shares no factor with the disk's blocks, so that all of them are overwritten in turn."""


def of_points(numbers: Sequence[int]) -> dict[int, Path]:
    """Vaults of one machine with so many points, each of one changed block; all from one life, of which copies were kept on its way."""
    places = {number: CACHE / f"points-{number}" for number in numbers}
    if missing := [number for number in sorted(numbers) if not places[number].exists()]:
        with _unsynced():
            asyncio.run(_points(missing, places))
    return places


def of_machines(numbers: Sequence[int]) -> dict[int, Path]:
    """Vaults of so many machines with one point each."""
    places = {number: CACHE / f"machines-{number}" for number in numbers}
    if missing := [number for number in sorted(numbers) if not places[number].exists()]:
        with _unsynced():
            asyncio.run(_machines(missing, places))
    return places


def connection(place: Path) -> engine.Connection:
    """The site that made the vault at `place`."""
    key = engine.KeyFile(path=str(place / "operator.key"))
    return engine.Connection(vault=(place / "vault").as_uri(), state_dir=str(place / "state"), site="here", credential=key)


def oldest(place: Path) -> int:
    """The number of the first point that is kept."""

    async def first() -> int:
        async with app.open_engine(connection(place)) as opened:
            return min(point.number for point in (await opened.points(MACHINE)).points)

    return asyncio.run(first())


async def _points(numbers: Sequence[int], places: dict[int, Path]) -> None:
    async with _fresh() as work, app.open_engine(connection(work)) as opened:
        disk = await _protect(opened, work, MACHINE, DISK)
        async with opened.replicate(MACHINE) as replication:
            for number in range(1, numbers[-1] + 1):
                with disk.open("r+b") as file:
                    file.seek(number * STRIDE % (DISK // BLOCK_SIZE) * BLOCK_SIZE)
                    file.write(os.urandom(BLOCK_SIZE))
                _long_ago(disk)
                await replication.cycle(_unseen)
                if number in numbers:
                    _keep(work, places[number])


async def _machines(numbers: Sequence[int], places: dict[int, Path]) -> None:
    async with _fresh() as work, app.open_engine(connection(work)) as opened:
        for number in range(1, numbers[-1] + 1):
            name = f"{MACHINE}-{number:03}"
            await _protect(opened, work, name, ONE_OF_MANY)
            async with opened.replicate(name) as replication:
                await replication.cycle(_unseen)
            if number in numbers:
                _keep(work, places[number])


def _long_ago(disk: Path) -> None:
    """A cycle waits 20 ms where a disk was written to just now, lest it be written to again in the same tick of the clock: two thirds of
    the time that ten thousand took."""
    seconds = time.time() - 1
    os.utime(disk, (seconds, seconds))


@contextmanager
def _unsynced() -> Iterator[None]:
    """Nobody needs what a power failure would leave of them: with the syncs, ten thousand cycles took twice as long."""
    real = os.fsync, os.fdatasync
    os.fsync = os.fdatasync = lambda _: None  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync, os.fdatasync = real


@asynccontextmanager
async def _fresh() -> AsyncIterator[Path]:
    work = CACHE / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    async with app.open_engine(connection(work)) as opened:
        await opened.create_vault(engine.CreateVault(label="ops"))
    yield work
    shutil.rmtree(work)


async def _protect(opened: engine.Engine, work: Path, name: str, size: int) -> Path:
    disk = work / f"{name}.raw"
    disk.write_bytes(os.urandom(size))
    _long_ago(disk)
    await opened.protect(engine.Protect(name=name, source=engine.BlockSource(disks={"vda": str(disk)})))
    return disk


def _keep(work: Path, place: Path) -> None:
    print(f"grown: {place.name}", file=sys.stderr, flush=True)
    half = place.with_name(place.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(work, half, symlinks=True)
    half.rename(place)


def _unseen(_: engine.Progress) -> None:
    """Nobody watches."""
