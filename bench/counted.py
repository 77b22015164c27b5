"""How many requests to its store a vault takes for what: `python -m bench.counted`. Counted, not timed, and so the same on any host.

A listing counts once for every 1000 names, as a bucket has it.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar

from tests.faults import Call, FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, World
from understudy.recovery.content import read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectInfo
from understudy.vault import kinds
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

T = TypeVar("T")
PAGE = 1000


class Counting(FaultyStore):
    """With a listing's pages."""

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        told = 0
        async for info in super().list(prefix, start_after):
            if told and told % PAGE == 0:
                self.calls.append(Call("list", prefix))
            told += 1
            yield info

    async def tell(self, what: str, work: Awaitable[T]) -> T:
        self.calls.clear()
        done = await work
        counts = Counter(call.op for call in self.calls)
        words = ", ".join(f"{op} {counts[op]}" for op in ("create", "get", "head", "list", "delete") if counts[op])
        print(f"{what:58} {counts.total():5}   {words}")
        return done


def write(world: World, size: int, at: int = 0) -> None:
    with world.disk("vda").open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))


async def restored(vault: Vault, directory: Path) -> None:
    log = await vault.find(MACHINE)
    newest = log.state.newest
    assert newest is not None
    content = await read_point(history_of(vault, log), newest.point.id.hex())

    async def none(_: str) -> None:
        return None

    await materialise(content, {"vda": Place(directory / "restored", "raw")}, none)


async def run(directory: Path) -> None:
    world = World(directory)
    world.disk("vda").write_bytes(os.urandom(64 << 20))
    await world.create()
    store = Counting(FileStore(directory / "vault"))
    vault = await store.tell("open a vault", Vault.open(store, UNLOCK, world.state, patience=QUICK))
    log = await vault.find(MACHINE)
    replicator = Replicator(vault, log, BlockSource({"vda": str(world.disk("vda"))}), world.directory(vault, log), "here")
    await store.tell("begin to replicate a machine", replicator.open())
    await store.tell("the first point, of 64 MiB", replicator.cycle())
    await replicator.cycle()
    await store.tell("a cycle in which nothing changed", replicator.cycle())
    write(world, 4096)
    await store.tell("a cycle of a few KiB, which travel in the record", replicator.cycle())
    write(world, 1 << 20)
    await store.tell("a cycle of 1 MiB", replicator.cycle())
    await store.tell("look whether anything is new", log.behind())
    await store.tell("read a machine's log, and restore a point of 64 MiB", restored(vault, directory))
    for count in (100, 1000):
        while log.head.seq < count:
            await log.append(kinds.Note(text="a record"))
        await store.tell(f"read a log of {count} records", vault.find(log.machine_id))
    await replicator.close()
    for number in range(99):
        await vault.protect(f"vm-{number}", "here")
    await store.tell("the ids of 100 machines", vault.ids())
    await store.tell("the names of 100 machines", vault.names(await vault.ids()))
    await vault.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="understudy-") as name:
        asyncio.run(run(Path(name)))
