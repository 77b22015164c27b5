"""A disk that was cut short and grew back: QEMU marks nothing of what was lost."""

import secrets

import pytest

from tests.source.machine import METHODS, MIB, Machine, blockdev
from tests.source.test_qemu_shapes import cycle
from understudy.errors import StateFailed
from understudy.model import Lost, Tracked
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import Wanted

CUT = "shrunk and grown again"


async def cut(machine: Machine, size: int, *, cut_to: int) -> None:
    for there in (cut_to, size):
        await machine.execute("block_resize", node_name="vda-format", size=there)


async def changes(source: QemuSource, base: str) -> list[str]:
    """What each disk's record is not trusted for, or nothing. It comes to no point."""
    snapshot = await source.freeze(secrets.token_hex(16), base)
    found = [await disk.changed() for disk in snapshot.disks]
    await source.release(False)
    return [change.reason if isinstance(change, Lost) else "" for change in found]


@pytest.fixture
async def source(two_disks):
    source = two_disks.source()
    await source.recover(None)
    yield source
    await source.remove()
    assert await two_disks.leftovers() == []
    await source.close()


@pytest.mark.parametrize("cut_to", [4 * MIB, 8 * MIB - 65536])
async def test_what_grew_back_is_not_trusted(two_disks, source, cut_to):
    base, _ = await cycle(source, two_disks, None, None)
    await cut(two_disks, 8 * MIB, cut_to=cut_to)
    snapshot = await source.freeze(point := secrets.token_hex(16), base)
    lost, other = [await disk.changed() for disk in snapshot.disks]
    assert isinstance(lost, Lost)
    assert CUT in lost.reason
    assert isinstance(other, Tracked)
    await source.release(True)
    assert await changes(source, point) == ["", ""]


async def test_a_freeze_that_fails_forgets_nothing(two_disks, source):
    """It has a new mark of the disk's end already, which saw nothing of what was before."""
    base, _ = await cycle(source, two_disks, None, None)
    await cut(two_disks, 8 * MIB, cut_to=4 * MIB)
    in_the_way = two_disks.state / "scratch"
    in_the_way.write_text("")
    with pytest.raises(StateFailed, match="File exists"):
        await source.freeze(secrets.token_hex(16), base)
    in_the_way.unlink()
    for _ in range(2):
        lost, other = await changes(source, base)
        assert "no record of changes" in lost
        assert other == ""


@pytest.mark.parametrize("method", METHODS)
async def test_a_cut_while_it_is_frozen(two_disks, source, method):
    """After what was known was judged, and before the instant."""
    base, _ = await cycle(source, two_disks, None, None)
    judge = source.trust

    async def late(*asked):
        records = await judge(*asked)
        await cut(two_disks, 8 * MIB, cut_to=4 * MIB)
        return records

    source.trust = late
    source._wanted = Wanted(method, allow_pause=True)
    assert CUT in (await changes(source, base))[0]
    source.trust = judge
    assert CUT in (await changes(source, base))[0]


async def test_a_mark_that_somebody_removed(two_disks, source):
    base, _ = await cycle(source, two_disks, None, None)
    (name,) = [entry for entry in await two_disks.leftovers() if "vda-format:understudy-size-" in entry]
    await two_disks.execute("block-dirty-bitmap-remove", node="vda-format", name=name.split(":")[1])
    lost, other = await changes(source, base)
    assert "kept its size" in lost
    assert other == ""


async def test_a_disk_of_no_size_has_no_end(start_machine, short_directory):
    machine = await start_machine(blockdev(short_directory, "vda", "raw", MIB), blockdev(short_directory, "vdb", "qcow2", 0))
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("vda", 0, 4096, 1)
    await cycle(source, machine, base, content)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()
