"""Cycles in which nothing changed: what they write and ask, and what is concluded from them after a crash."""

import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as altered

from tests.replication.world import World
from tests.source.machine import Machine, blockdev
from understudy.model import BLOCK_SIZE
from understudy.nbd.connection import Connection
from understudy.qemu.session import QmpSession
from understudy.replication.sigfile import HEADER_LIMIT
from understudy.replication.unchanged import unchanged
from understudy.vault.kinds import ObjectRef, PackRef, Point, PointDisk
from understudy.vault.maps.points import PointEntry

LARGE = 8 << 40
CYCLES = 20
SYNCS = 6
"""Of the record that is tried, of the record in the vault, and of the mark against going back: a file and its directory each."""
COMMANDS = {"raw": 12, "qcow2": 14}
"""A qcow2 image keeps a record of changes of its own."""
GROWTH = 4 << 10
"""KiB."""

DISK = PointDisk(id=b"d" * 16, name="vda", size=1 << 20, sector=512, digest=b"1" * 16)
PACK = PackRef(id=b"k" * 16, size=1, hash=b"h" * 32)


def chain(*points: PointEntry) -> list[PointEntry]:
    """Each laid on the one before, with its number for an id."""
    made = []
    for number, entry in enumerate(points):
        point = altered(entry.point, id=bytes([number]) * 16, parent=bytes([number - 1]) * 16 if number else b"")
        made.append(replace(entry, seq=number + 1, point=point))
    return made


def a_point(disk: PointDisk = DISK, **more: Any) -> PointEntry:
    fields = {"generation": b"", "frozen_at": 0, "consistency": "crash", "method": "test", "cause": "delta", **more}
    return PointEntry(0, Point(id=b"", parent=b"", disks=(disk,), **fields))


IDLE = a_point()
BROUGHT = {
    "packs": a_point(packs=(PACK,)),
    "a list of packs": a_point(packs_in=ObjectRef(hash=b"o" * 32, size=1)),
    "an inline pack": replace(IDLE, inlined=1),
    "it is not known what": replace(IDLE, trimmed=True),
    "other content": a_point(altered(DISK, digest=b"2" * 16)),
    "another size": a_point(altered(DISK, size=2 << 20)),
    "another disk": a_point(altered(DISK, id=b"e" * 16)),
}


def of(number: int) -> bytes:
    return bytes([number]) * 16


def test_nothing_changed_up_to_any_later_point() -> None:
    entries = chain(a_point(packs=(PACK,)), IDLE, IDLE, IDLE)
    told = {(a, b) for a in range(4) for b in range(4) if unchanged(entries, of(a), of(b))}
    assert told == {(a, b) for a in range(4) for b in range(a, 4)}
    assert not unchanged(entries, b"x" * 16, of(3))
    assert not unchanged(entries, of(0), b"x" * 16)
    assert not unchanged([], of(0), of(0))


@pytest.mark.parametrize("what", BROUGHT)
def test_a_point_that_brought_something(what: str) -> None:
    entries = chain(IDLE, IDLE, BROUGHT[what], IDLE)
    assert not any(unchanged(entries, of(a), of(b)) for a in (0, 1) for b in (2, 3))
    assert unchanged(entries, of(0), of(1))
    assert unchanged(entries, of(2), of(3)) == (entries[2].point.disks == entries[3].point.disks)


def test_a_point_that_the_log_has_forgotten() -> None:
    entries = chain(IDLE, IDLE, IDLE)
    assert not unchanged([entries[0], entries[2]], of(0), of(2))
    assert not unchanged(entries[1:], of(0), of(2))


async def test_after_a_power_cut(tmp_path: Path) -> None:
    """An idle cycle's mark in a signature file may be lost: no pack is read for that, and what changes then is found."""
    world = World(tmp_path)
    world.disk("vda").write_bytes(os.urandom(50 * BLOCK_SIZE))
    await world.create()
    async with world.replicator() as replicator:
        await replicator.open()
        first = await replicator.cycle()
        (path,) = (replicator.directory / "signatures").iterdir()
        before = path.read_bytes()[:HEADER_LIMIT]
        for _ in range(3):
            await replicator.cycle()
        assert path.read_bytes()[:HEADER_LIMIT] != before
    expected = {first.point: world.disk("vda").read_bytes()}
    for _ in range(2):
        with path.open("r+b") as file:
            file.write(before)
        with world.disk("vda").open("r+b") as file:
            file.seek(7 * BLOCK_SIZE)
            file.write(os.urandom(10))
        async with world.replicator() as replicator:
            await replicator.open()
            store: Any = replicator.vault.store
            store.calls.clear()
            report = await replicator.cycle()
            assert (report.cause, report.stats.changed) == ("delta", 1)
            assert not [call for call in store.calls if call.op == "get" and "/packs/" in call.name]
            before = path.read_bytes()[:HEADER_LIMIT]
            await replicator.cycle()
        expected[report.point] = world.disk("vda").read_bytes()
    found = await world.contents()
    assert {point: found[point]["vda"] for point in expected} == expected


@pytest.fixture(params=["raw", "qcow2"])
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:  # a socket's path may have 107 bytes
        directory = Path(name)
        machine = Machine(directory, [blockdev(directory, "vda", request.param, LARGE)])
        machine.state.mkdir()
        await machine.start()
        yield machine
        await machine.kill()


def resident() -> int:
    """KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))


async def test_what_an_idle_cycle_of_8_tib_takes(
    tmp_path: Path, machine: Machine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counted(place: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(place, name)

        def call(*args: Any, **options: Any) -> Any:
            calls[name] += 1
            return real(*args, **options)

        monkeypatch.setattr(place, name, call)

    world = World(tmp_path)
    await world.create()
    await machine.write("vda", LARGE - 65536, 65536, 1)
    async with world.replicator(machine.source()) as replicator:
        await replicator.open()
        first = await replicator.cycle()
        assert first.stats.changed == 16
        await replicator.cycle()
        store: Any = replicator.vault.store
        store.calls.clear()
        for place, name in ((os, "fsync"), (os, "fdatasync"), (QmpSession, "execute"), (Connection, "run")):
            counted(place, name)
        before = resident()
        for _ in range(CYCLES):
            idle = await replicator.cycle()
            assert (idle.cause, idle.stats.scanned, idle.stats.stored) == ("delta", 0, 0)
        assert resident() - before < GROWTH
    assert calls["fsync"] == SYNCS * CYCLES
    assert calls["fdatasync"] == calls["run"] == 0, "neither signatures are written nor anything read"
    assert calls["execute"] == COMMANDS[request.node.callspec.params["machine"]] * CYCLES
    assert len([call for call in store.calls if call.op == "create"]) == CYCLES
