"""How many requests a vault takes for what, and what they cost a month: `.venv/bin/python -m bench.requests`, some three minutes.

First what work takes, counted at the store of a process; then what a real daemon asks of a real S3 server, by that one's own log, in
cycles that find a change and while nothing happens. Counted, not timed, and so much the same on any host. A listing counts once for each
page of 1000 names, as a bucket has it.
"""

import asyncio
import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.daemon.house import House
from tests.faults import Call, FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, World
from tests.store.servers import s3_server
from understudy.recovery.content import finder, read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.cached import CachedReader
from understudy.store.file import FileStore
from understudy.store.protocol import Cache, Capabilities, ObjectInfo
from understudy.store.remote.s3 import CAPABILITIES
from understudy.vault import kinds, names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

T = TypeVar("T")
PAGE = 1000
SECONDS = 30
IDLE = 120
"""Seconds: a whole number of all that a daemon does by itself now and then."""
MONTH = 30 * 24 * 60
"""Minutes."""
# An assumption, of November 2026: the list prices of S3 Standard in us-east-1, in US dollars for a thousand requests. Look up yours.
PRICE = {"PUT": 0.005, "LIST": 0.005, "GET": 0.0004, "DELETE": 0.0}
_REQUEST = re.compile(r'"([A-Z]+) (\S+) HTTP')


class Counting(FaultyStore):
    """A directory, used as a bucket is, and with a listing's pages."""

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

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
        print(f"{what:58} {counts.total():5}   {words}", flush=True)
        return done


def write(world: World, size: int, at: int = 0) -> None:
    with world.disk("vda").open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))


async def brought(vault: Vault, log: MachineLog, image: Path, cache: Cache | None = None) -> None:
    """To the newest point; only what is new is written where the image holds an older one."""
    await log.refresh()
    newest, history = log.state.newest, replace(history_of(vault, log), cache=cache)
    assert newest is not None
    content = await read_point(history, newest.point.id.hex())
    await materialise(content, {"vda": Place(image, "raw")}, finder(history), trusting=True)


async def work(directory: Path) -> None:
    """Counts what is done with a vault, and says it."""
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
    await store.tell("look whether anything is new", log.grew())
    other = await store.tell("read a machine's log", vault.find(MACHINE))
    await store.tell("restore a point of 64 MiB", brought(vault, other, directory / "far"))
    await brought(vault, other, directory / "near")
    cache = CachedReader(store, names.lasts)
    for number in range(10):
        write(world, 1 << 20, number << 20)
        await replicator.cycle()
        await other.refresh()
        if number == 9:
            await store.tell("a standby's step of 1 MiB, 10 points on", brought(vault, other, directory / "far", cache))
            await store.tell("the same without what is kept of earlier steps", brought(vault, other, directory / "near"))
        else:
            await brought(vault, other, directory / "far", cache)
            await brought(vault, other, directory / "near")
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


def asked(log: str) -> Counter[str]:
    """Requests by what is paid for them."""
    lines = _REQUEST.findall(re.sub(r"\x1b\[[0-9;]*m", "", log))
    return Counter("LIST" if method == "GET" and "list-type=" in path else "GET" if method == "HEAD" else method for method, path in lines)


class Daemon:
    """A real one, whose vault is at a real server; `log` is that one's."""

    def __init__(self, directory: Path, address: str) -> None:
        self.house = House(directory, {"interval": "2s", "verify-every": "0"}, address=address)
        self.house.create()
        self.log = directory / "moto.log"

    def protect(self, name: str) -> Path:
        image = self.house.directory / f"{name}.img"
        image.write_bytes(random.randbytes(4 << 20))
        self.house.host.run("protect", name, "--disk", f"vda={image}")
        return image

    def points(self) -> int:
        return len(self.house.host.json("points", "web")["points"])

    def cycles(self, image: Path) -> tuple[Counter[str], int]:
        """The requests of so many cycles, each of which had something to store."""
        self.house.start()
        self.house.points("web", 2)
        begun, before, end = len(self.log.read_text()), self.points(), time.monotonic() + SECONDS
        command = len(self.log.read_text()) - begun  # what was asked to count the points
        while time.monotonic() < end:
            with image.open("r+b") as disk:
                disk.seek(random.randrange(3 << 20))
                disk.write(random.randbytes(1 << 16))
            time.sleep(0.5)
        requests = asked(self.log.read_text()[begun + command :])
        made = self.points() - before
        self.house.end()
        return requests, made

    def idle(self, machines: list[str]) -> Counter[str]:
        """A minute's requests while nothing happens."""
        self.house.policy["interval"] = "1h"
        self.house.configure()
        self.house.start()
        for machine in machines:
            self.house.points(machine, 1)
        time.sleep(10)
        begun = len(self.log.read_text())
        time.sleep(IDLE)
        requests = asked(self.log.read_text()[begun:])
        self.house.end()
        return requests


def dollars(requests: dict[str, float]) -> float:
    return sum(requests.get(kind, 0.0) * price / 1000 for kind, price in PRICE.items())


def told(what: str, requests: dict[str, float]) -> None:
    print(f"{what:58} " + ", ".join(f"{number:.1f} {kind}" for kind, number in requests.items()), flush=True)


def daemon(directory: Path) -> None:
    """Counts what a daemon asks, and says what that costs."""
    with s3_server(directory) as server:
        daemon = Daemon(directory, server.address("bench", directory))
        requests, made = daemon.cycles(daemon.protect("web"))
        cycle = {kind: count / made for kind, count in requests.items()}
        told(f"a daemon's cycle of 64 to 256 KiB, of {made}", cycle)
        one = {kind: count * 60 / IDLE for kind, count in daemon.idle(["web"]).items()}
        told("a minute of a daemon with one idle machine", one)
        for number in range(3):
            daemon.protect(f"vm-{number}")
        four = {kind: count * 60 / IDLE for kind, count in daemon.idle(["web", "vm-0", "vm-1", "vm-2"]).items()}
        told("with four", four)
    for words, minutes in (("1 min", 1), ("15 min", 15)):
        cycles, looks = dollars(cycle) * MONTH / minutes, dollars(one) * MONTH
        print(f"a cycle each {words:>6}: {MONTH // minutes:5} a month, {cycles:.2f} US dollars, and {looks:.2f} for the looks between")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="us-") as directory:
        asyncio.run(work(Path(directory)))
    with tempfile.TemporaryDirectory(prefix="us-") as directory:
        daemon(Path(directory))


if __name__ == "__main__":
    main()
