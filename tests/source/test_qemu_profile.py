"""A VM's changes are counted beside its replication, and nothing of that is left in it."""

import asyncio

import pytest

from tests.source.machine import MACHINE, MIB, Machine
from tests.source.test_qemu_shapes import cycle
from understudy import engine
from understudy.engine.profiling import Profile, Profiled
from understudy.errors import Busy, NotFound, SourceUnavailable
from understudy.source import qemu_profile
from understudy.source.qemu_profile import profiled

ONCE = Profile(machine="web", seconds=1.0, every=1.0)


def watching(vm: Machine, request: Profile = ONCE, *, disks: dict[str, str] | None = None, **given) -> asyncio.Task[Profiled]:
    source = engine.QemuSource(qmp=vm.qmp, disks=disks or {})
    return asyncio.create_task(profiled(source, request, lambda progress: None, **given))


class Clock:
    """Spans end when the test says so."""

    def __init__(self) -> None:
        self._ends = asyncio.Queue[None]()
        self._waits = asyncio.Event()

    async def stopped(self, stop: asyncio.Event, until: float) -> bool:
        self._waits.set()
        await self._ends.get()
        return stop.is_set()

    async def begun(self) -> None:
        """All that is written from now on belongs to the next span."""
        await self._waits.wait()

    async def tick(self) -> None:
        await self.begun()
        self._waits.clear()
        self._ends.put_nowait(None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(qemu_profile, "stopped", clock.stopped)
    return clock


async def records(machine: Machine) -> list[str]:
    return [name for name in await machine.leftovers() if "understudy-profile-" in name]


async def begun(machine: Machine, number: int = 2) -> None:
    for _ in range(1000):
        if len(await records(machine)) >= number:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no watch began")


async def test_what_is_written_is_counted_once(two_disks, clock):
    machine = two_disks
    watch = watching(machine)
    await begun(machine)
    await machine.write("vda", 0, 8192, 1)
    await machine.write("vda", 4096, 8192, 2)
    await machine.write("vdb", MIB, 65536, 3)
    await clock.tick()
    seen = await watch
    assert (seen.granularity, seen.disk_bytes, seen.machine) == (4096, 14 * MIB, "web")
    assert [(spans.seconds, spans.count, spans.mean_bytes) for spans in seen.spans] == [(1.0, 1, 12288 + 65536)]
    assert await records(machine) == []


async def test_longer_spans_count_what_is_written_twice_once(two_disks, clock):
    machine = two_disks
    watch = watching(machine, Profile(machine="web", seconds=3.0, every=0.2))
    await begun(machine, 4)
    for number in range(15):
        await clock.begun()
        await machine.write("vda", 0, 65536, number + 1)
        await clock.tick()
    short, long = (await watch).spans
    assert (short.seconds, short.count, short.mean_bytes, short.idle) == (0.2, 15, 65536, 0)
    assert (long.seconds, long.count, long.mean_bytes, long.peak_bytes) == (1.0, 3, 65536, 65536)


async def test_replication_goes_on_beside_it(two_disks, clock):
    """In the one session that the process has with the VM; neither sees the other's records."""
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    watch = watching(machine, machine=MACHINE)
    await begun(machine)
    await machine.write("vda", MIB, 65536, 7)
    base, content = await cycle(source, machine, base, content)
    await machine.write("vda", 2 * MIB, 65536, 8)
    base, content = await cycle(source, machine, base, content)
    await clock.tick()
    seen = await watch
    assert seen.spans[0].peak_bytes >= 2 * 65536
    await machine.write("vda", 2 * MIB, 65536, 9)
    await cycle(source, machine, base, content)
    await source.remove()
    await source.close()
    assert await records(machine) == []


async def test_unprotecting_removes_what_a_killed_watch_left(two_disks):
    machine = two_disks
    left = f"understudy-profile-{MACHINE[:12]}-0"
    await machine.execute("block-dirty-bitmap-add", node="vda-format", name=left)
    await machine.execute("block-dirty-bitmap-add", node="vda-format", name="understudy-profile-vm-0")
    source = machine.source()
    await source.remove()
    await source.close()
    assert await records(machine) == ["vda-format:understudy-profile-vm-0"]


async def test_the_next_watch_removes_what_a_killed_one_left(two_disks):
    machine = two_disks
    for node in ("vda-format", "vdb-format", "vda-file"):
        await machine.execute("block-dirty-bitmap-add", node=node, name="understudy-profile-vm-0")
    await machine.execute("block-dirty-bitmap-add", node="vda-format", name="backup-2024")
    assert (await watching(machine)).spans[0].mean_bytes == 0
    assert await records(machine) == []
    nodes = await machine.execute("query-named-block-nodes", flat=True)
    assert [bitmap["name"] for node in nodes for bitmap in node.get("dirty-bitmaps", ())] == ["backup-2024"]


async def test_a_cancelled_watch_leaves_nothing(two_disks):
    machine = two_disks
    for guarded in (False, True):
        watch = watching(machine, Profile(machine="web", seconds=600.0, every=1.0), guarded=guarded)
        await begun(machine)
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
        assert await records(machine) == []


async def test_a_stopped_watch_says_what_it_saw(two_disks, clock):
    machine, stop = two_disks, asyncio.Event()
    watch = watching(machine, Profile(machine="web", seconds=600.0, every=0.2), guarded=True, stop=stop)
    await begun(machine)
    for _ in range(2):
        await clock.tick()
    await clock.begun()
    stop.set()
    await clock.tick()
    (spans,) = (await watch).spans
    assert (spans.seconds, spans.count) == (0.2, 2)
    assert await records(machine) == []


async def test_one_watch_at_a_time(two_disks, clock):
    machine = two_disks
    watch = watching(machine)
    await begun(machine)
    with pytest.raises(Busy, match="watched already"):
        await watching(machine)
    await clock.tick()
    await watch


async def test_a_snapshot_ends_it(two_disks, clock):
    """What is written above it would be counted by nobody."""
    machine = two_disks
    watch = watching(machine)
    await begun(machine)
    await machine.snapshot("vda")
    await clock.tick()
    with pytest.raises(SourceUnavailable, match="not there any more"):
        await watch
    assert await records(machine) == []


async def test_records_that_somebody_removes_end_it(two_disks, clock):
    machine = two_disks
    watch = watching(machine)
    await begun(machine)
    await machine.execute("block-dirty-bitmap-remove", node="vda-format", name="understudy-profile-vm-0")
    await clock.tick()
    with pytest.raises(SourceUnavailable, match="not there any more"):
        await watch
    assert await records(machine) == []


async def test_a_vm_that_ends_is_said(two_disks):
    machine = two_disks
    for guarded in (False, True):
        if machine.process is None or machine.process.poll() is not None:
            await machine.start()
        watch = watching(machine, guarded=guarded)
        await begun(machine)
        await machine.kill()
        with pytest.raises(SourceUnavailable):
            await watch


async def test_disks_that_are_not_there_are_said(two_disks):
    with pytest.raises(NotFound, match="no disk 'vdz'"):
        await watching(two_disks, disks={"vda": "vdz"})
