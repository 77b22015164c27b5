"""Disks as operators attach them."""

import secrets

import numpy as np
import pytest

from tests.source.conformance import Contents, covers, shows
from tests.source.machine import MACHINE, METHODS, MIB, Machine, blockdev, drive
from understudy.errors import InvalidRequest, NotFound, SourceRefused, SourceUnavailable
from understudy.machine.reading import of_point
from understudy.model import Lost, Tracked
from understudy.nbd import blocks
from understudy.qemu.session import QmpSession
from understudy.source.protocol import DiskSource
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, Wanted

THROTTLE = ["-object", "throttle-group,id=group"]


def shapes(directory):
    return {
        "4096-byte sectors": ([blockdev(directory, "a", "raw", 3 * MIB, sector=4096)], []),
        "4096-byte sectors on qcow2": ([blockdev(directory, "a", "qcow2", 3 * MIB, sector=4096)], []),
        "odd size": ([blockdev(directory, "a", "raw", 3 * MIB + 777)], []),
        "odd number of sectors": ([blockdev(directory, "a", "qcow2", 3 * MIB + 512)], []),
        "filter": ([blockdev(directory, "a", "raw", 3 * MIB, above="driver=throttle,throttle-group=group,file={}")], THROTTLE),
        "read filter": ([blockdev(directory, "a", "qcow2", 3 * MIB, above="driver=copy-on-read,file={}")], []),
        "drive": ([drive(directory, "a", "qcow2", 3 * MIB)], []),
        "drive, if=virtio": ([drive(directory, "a", "raw", 3 * MIB, "virtio"), drive(directory, "b", "qcow2", MIB, "virtio")], []),
        "drive, if=ide": ([drive(directory, "a", "raw", 3 * MIB, "ide")], []),
        "scsi": ([blockdev(directory, "a", "qcow2", 3 * MIB, device="scsi-hd", sector=4096)], ["-device", "virtio-scsi-pci"]),
    }


NAMES = [
    "4096-byte sectors",
    "4096-byte sectors on qcow2",
    "odd size",
    "odd number of sectors",
    "filter",
    "read filter",
    "drive",
    "drive, if=virtio",
    "drive, if=ide",
    "scsi",
]


async def cycle(source: DiskSource, machine: Machine, base: str | None, at_base: Contents | None) -> tuple[str, Contents]:
    """One cycle that succeeds; what is read, and what is said to have changed, is compared with the truth."""
    point, before = secrets.token_hex(16), await machine.contents()
    snapshot = await source.freeze(point, base)
    for disk in snapshot.disks:
        content = before[disk.info.name]
        assert disk.info.size == len(content)
        changes = await disk.changed()
        if at_base is None:
            assert isinstance(changes, Lost)
        else:
            assert isinstance(changes, Tracked), changes
            assert covers(changes.extents, at_base[disk.info.name], content)
        if at_base is None or len(changes.extents):
            await machine.write(disk.info.name, 0, 512 * 64, secrets.randbelow(256))
            assert await shows(disk, content, snapshot.method == PUSH)
    await source.release(True)
    return point, before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
async def test_shape(start_machine, short_directory, name, method):
    disks, options = shapes(short_directory)[name]
    machine = await start_machine(*disks, options=options)
    machine.wanted = Wanted(method, allow_pause=True)
    source = machine.source()
    info = await source.probe()
    assert [disk.name for disk in info.disks] == [disk.name for disk in disks]
    assert info.disks[0].sector == (4096 if "4096" in name or name == "scsi" else 512)
    await source.recover(None)
    base = at_base = None
    for _ in range(3):
        for disk in info.disks:
            unit = disk.sector
            last = disk.size // unit * unit - unit
            await machine.write(disk.name, last, unit, 1 + secrets.randbelow(255))
            await machine.write(disk.name, MIB // 2, 9 * unit, 1 + secrets.randbelow(255))
        base, at_base = await cycle(source, machine, base, at_base)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_more_extents_than_are_held(start_machine, short_directory, monkeypatch):
    monkeypatch.setattr(blocks, "MOST", 3)
    machine = await start_machine(blockdev(short_directory, "a", "raw", 8 * MIB))
    machine.wanted = Wanted(FLEECING)
    source = machine.source()
    await source.recover(None)
    for at in range(0, 8 * MIB, MIB):
        await machine.write("a", at, 4096, 1)
    point, content = await cycle(source, machine, None, None)
    for at in range(0, 8 * MIB, MIB):
        await machine.write("a", at + 65536, 512, 2)
    snapshot = await source.freeze(secrets.token_hex(16), point)
    changes = await snapshot.disks[0].changed()
    assert isinstance(changes, Tracked)
    assert 0 < len(changes.extents) <= 3
    assert len(await snapshot.disks[0].allocated()) <= 3
    await source.release(False)
    await source.recover(point)
    await cycle(source, machine, point, content)
    await source.remove()
    await source.close()


async def test_the_operators_names(start_machine, short_directory):
    disks = [
        blockdev(short_directory, "a", "raw", MIB),
        blockdev(short_directory, "b", "raw", MIB),
        drive(short_directory, "c", "raw", MIB),
    ]
    machine = await start_machine(*disks)

    async def found(**selection: str) -> list[str]:
        source = QemuSource(MACHINE, machine.qmp, machine.state, selection)
        try:
            return [disk.name for disk in (await source.probe()).disks]
        finally:
            await source.close()

    assert sorted(await found()) == ["a", "b", "c"]
    assert await found(root="b") == ["root"]
    assert await found(data="b-format", boot="/machine/peripheral/a/virtio-backend", third="c") == ["data", "boot", "third"]
    with pytest.raises(NotFound, match="no disk 'nope'") as caught:
        await found(x="nope")
    assert sorted(caught.value.hint.removeprefix("it has: ").split(", ")) == ["a", "b", "c"]
    with pytest.raises(SourceRefused, match="two disks have the same node"):
        await found(x="a", y="a-format")

    source = QemuSource(MACHINE, machine.qmp, machine.state, exclude=("c", "b-format"))
    info = await source.probe()
    assert ([disk.name for disk in info.disks], sorted(info.excluded)) == (["a"], ["b", "c"])
    await source.close()
    source = QemuSource(MACHINE, machine.qmp, machine.state, exclude=("nope",))
    info = await source.probe()
    assert (sorted(disk.name for disk in info.disks), info.absent) == (["a", "b", "c"], ("nope",))
    await source.close()


async def test_what_cannot_be_served(start_machine, short_directory):
    fine, fixed = blockdev(short_directory, "a", "raw", MIB), blockdev(short_directory, "ro", "raw", MIB)
    fixed.options[1] += ",read-only=on"
    fixed.options[3] += ",read-only=on"
    options = ["-device", "virtio-scsi-pci", "-drive", "if=none,id=cd", "-device", "scsi-cd,drive=cd,id=cdrom"]
    machine = await start_machine(fine, fixed, options=options)
    for wanted, words in (("ro", "read-only"), ("cdrom", "no medium")):
        source = QemuSource(MACHINE, machine.qmp, machine.state, {"x": wanted})
        with pytest.raises(SourceRefused, match=words):
            await source.probe()
        await source.close()
    source = machine.source()
    assert [disk.name for disk in (await source.probe()).disks] == ["a"]
    await source.close()


async def test_no_disks(start_machine):
    machine = await start_machine()
    source = machine.source()
    with pytest.raises(SourceRefused, match="no disk that could be replicated"):
        await source.probe()
    await source.close()


@pytest.mark.parametrize("where", ["device", "controller"])
async def test_a_disk_on_an_iothread_is_pushed_where_its_readers_would_kill_the_guest(start_machine, short_directory, where):
    options = ["-object", "iothread,id=io"]
    if where == "device":
        disk = blockdev(short_directory, "a", "raw", MIB, device="virtio-blk-pci,iothread=io")
    else:
        options += ["-device", "virtio-scsi-pci,iothread=io"]
        disk = blockdev(short_directory, "a", "raw", MIB, device="scsi-hd")
    machine = await start_machine(disk, options=options)
    assert machine.control is not None
    old = machine.control.version < (9, 0, 0)
    source = machine.source()
    assert (await source.probe()).method == (PUSH if old else FLEECING)
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("a", 0, 8192, 3)
    await cycle(source, machine, base, content)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()
    for method in (FLEECING, BREAK_SNAPSHOT) if old else (BREAK_SNAPSHOT,):
        machine.wanted = Wanted(method)
        source = machine.source()
        with pytest.raises(SourceRefused, match=r"iothread|too old"):
            await source.probe()
        await source.close()


async def test_an_unused_iothread_is_no_obstacle(start_machine, short_directory):
    machine = await start_machine(blockdev(short_directory, "a", "raw", MIB), options=["-object", "iothread,id=io"])
    source = machine.source()
    await source.probe()
    await source.close()


@pytest.mark.parametrize("running", [True, False])
async def test_a_vm_stays_paused_or_running(two_disks, running):
    if running:
        await two_disks.execute("cont")
    before = await two_disks.execute("query-status")
    source = two_disks.source()
    await source.recover(None)
    await cycle(source, two_disks, None, None)
    await source.remove()
    assert await two_disks.execute("query-status") == before
    await source.close()


async def test_the_definition(start_machine, short_directory):
    options = ["-name", "web1", "-uuid", "00112233-4455-6677-8899-aabbccddeeff", "-smp", "2"]
    options += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,id=nic,mac=52:54:00:00:00:01"]
    machine = await start_machine(blockdev(short_directory, "a", "qcow2", MIB, sector=4096), options=options)
    source = machine.source()
    found = (await source.probe()).definition
    assert found | {"name": "web1", "uuid": "00112233-4455-6677-8899-aabbccddeeff", "vcpus": 2, "memory": 16 * MIB} == found
    assert found["machine"].startswith("pc-q35")
    assert found["networks"] == [{"id": "nic", "model": "virtio-net-pci", "mac": "52:54:00:00:00:01", "netdev": "net"}]
    assert found["disks"][0] | {"name": "a", "size": MIB, "sector": 4096, "format": "qcow2"} == found["disks"][0]
    start = of_point(found)
    assert (start.name, start.uuid, start.memory, start.cpu.count) == ("web1", found["uuid"], 16 * MIB, 2)
    assert [(disk.name, disk.bus, disk.sector) for disk in start.disks] == [("a", "virtio-blk", 4096)]
    assert [(nic.name, nic.mac, nic.network) for nic in start.nics] == [("nic", "52:54:00:00:00:01", "user")]
    await source.close()


async def test_what_cannot_be_started_is_followed_all_the_same(start_machine, short_directory):
    machine = await start_machine(blockdev(short_directory, "a", "qcow2", MIB), options=["-name", "x" * 200])
    source = machine.source()
    found = (await source.probe()).definition
    assert "cannot be described" in found["unstartable"]
    with pytest.raises(InvalidRequest, match="does not say what its machine is made of"):
        of_point(found)
    await source.close()


async def test_a_held_socket_and_a_missing_one(two_disks):
    holder = await QmpSession.connect(two_disks.qmp)
    with pytest.raises(SourceUnavailable, match="did not answer within") as caught:
        await QmpSession.connect(two_disks.qmp, timeout=0.2)
    assert "one client at a time" in caught.value.hint
    for _ in range(3):  # those who gave up stay in QEMU's short queue
        with pytest.raises(SourceUnavailable) as caught:
            await QmpSession.connect(two_disks.qmp, timeout=0.2)
        assert "one client at a time" in caught.value.hint
    await holder.close()
    await (await QmpSession.connect(two_disks.qmp)).close()
    with pytest.raises(SourceUnavailable, match="no QEMU listens"):
        await QmpSession.connect(f"{two_disks.directory}/nothing")


async def test_a_long_path_gets_a_short_socket(two_disks, tmp_path):
    state = tmp_path / ("x" * 100) / MACHINE
    source = QemuSource(MACHINE, two_disks.qmp, state)
    await source.recover(None)
    snapshot = await source.freeze(secrets.token_hex(16), None)
    buffer = np.zeros(4096, np.uint8)
    await snapshot.disks[0].read_into(np.array([[0, 1]], np.int64), buffer)
    assert (buffer == 0x11).all()
    socket = source._names.socket
    assert socket.exists()
    await source.release(True)
    assert not socket.parent.exists()
    await source.remove()
    await source.close()
