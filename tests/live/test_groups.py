"""Two guests that depend on each other, as a group: whoever is told something only after another wrote it is never ahead of that one."""

import asyncio
import json
import random
import secrets
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.installed import Host
from understudy.app import open_engine
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.engine import Connection, CreateGroup, Engine, Instant, KeyFile, Protect, QemuSource, RestoreGroup

LINES = 64
WRITE = "printf '%0512d' {number} | dd of=/dev/vda bs=512 seek={line} oflag=direct conv=notrunc 2>/dev/null"


@dataclass
class Pair:
    """Number n is written to `first`, and when that is durable, to `second`; a line of the disk for each, over and over."""

    first: Guest
    second: Guest
    host: Host
    written: int = 0
    writer: asyncio.Future[None] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self) -> None:
        while True:
            number = self.written + 1
            for guest in (self.first, self.second):
                await guest.run(WRITE.format(number=number, line=number % LINES), timeout=120)
            async with self.changed:
                self.written = number
                self.changed.notify_all()

    async def wait_for(self, more: int) -> None:
        """Both guests still write: neither was left standing."""
        wanted = self.written + more
        async with asyncio.timeout(120), self.changed:
            await self.changed.wait_for(lambda: self.written >= wanted)

    @asynccontextmanager
    async def engine(self):
        connection = Connection(
            vault=self.host.vault.as_uri(),
            state_dir=str(self.host.directory / "state"),
            site="here",
            credential=KeyFile(path=str(self.host.key)),
        )
        async with open_engine(connection) as engine:
            yield engine


@pytest.fixture
async def pair(start_guest, tmp_path: Path):
    disks = [make_disk(tmp_path / f"{name}.raw", "raw", 8 << 20, file_system=False) for name in ("first", "second")]
    guests = await asyncio.gather(*(start_guest("shell", [disk]) for disk in disks))
    host = Host(tmp_path / "host", tmp_path / "vault", tmp_path / "key", {"UNDERSTUDY_SITE": "here"})
    await asyncio.to_thread(host.run_installed, "vault", "create")
    pair = Pair(guests[0], guests[1], host)
    async with pair.engine() as engine:
        for name, guest in zip(("first", "second"), guests, strict=True):
            await engine.protect(Protect(name=name, source=QemuSource(qmp=str(guest.qmp))))
        await engine.create_group(CreateGroup(name="pair", machines=("first", "second")))
    pair.writer = asyncio.ensure_future(pair.write())
    await pair.wait_for(1)
    yield pair
    pair.writer.cancel()
    await asyncio.gather(pair.writer, return_exceptions=True)


async def newest_numbers(engine: Engine, instant: Instant, directory: Path) -> tuple[int, int]:
    """The highest number on each restored disk; every line holds one number, whole."""
    targets = {member.machine: {"vd0": str(directory / f"{member.name}.raw")} for member in instant.members}
    await engine.restore_group(RestoreGroup(instant=instant.id, format="raw", targets=targets), lambda _: None)
    found = []
    for name in ("first", "second"):
        with (directory / f"{name}.raw").open("rb") as image:
            lines = [image.read(512) for _ in range(LINES)]
        assert all(not any(line) or line.decode().isdigit() for line in lines)
        found.append(max(int(line) if any(line) else 0 for line in lines))
    return found[0], found[1]


async def check(pair: Pair, directory: Path) -> int:
    """How many whole instants there are; in each the second is never ahead of the first, nor behind by more than one."""
    async with pair.engine() as engine:
        instants = [instant for instant in await engine.instants() if instant.complete]
        for instant in instants:
            first, second = await newest_numbers(engine, instant, directory)
            assert second <= first <= second + 1, (instant.id, first, second)
    return len(instants)


async def follow(pair: Pair, cycles: int) -> list[float]:
    """Cycles of the group while both write; for how long each paused them."""
    paused = []
    async with pair.engine() as engine, engine.replicate_group("pair") as group:
        for _ in range(cycles):
            cycle = await group.cycle(lambda _: None)
            assert len(cycle.members) == 2
            paused.append(cycle.paused_seconds)
            await pair.wait_for(1)
    return paused


async def kill_at_random(pair: Pair, rounds: int) -> None:
    """SIGKILL wherever the command is, and both guests go on; so does the next run, from where this one stopped."""
    seed = secrets.randbelow(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(rounds):
        with pair.host.start("replicate", "--group", "pair", "--every", "1ms", "--json") as process:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
            await asyncio.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
        await pair.wait_for(2)


async def test_what_one_guest_knows_of_another_is_there(pair: Pair, tmp_path: Path) -> None:
    paused = await follow(pair, 6)
    assert all(seconds > 0 for seconds in paused)
    await kill_at_random(pair, 2)
    await follow(pair, 1)
    assert await check(pair, tmp_path / "back") >= 8


async def test_a_guest_that_dies_fails_the_group_and_leaves_the_other_running(pair: Pair) -> None:
    await follow(pair, 1)
    with pair.host.start("replicate", "--group", "pair", "--every", "1ms", "--json") as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await pair.second.kill()
        said = ""
        while '"retry"' not in said:
            said = await asyncio.to_thread(process.stdout.readline)
            assert said
        process.terminate()
        await asyncio.to_thread(process.communicate)
    assert json.loads(said)["error"]["message"].startswith("second: ")
    assert pair.writer is not None
    await asyncio.wait([pair.writer])
    assert await pair.first.run("echo on", timeout=120) == ["on"]
