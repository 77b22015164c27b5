"""A machine that somebody else started is captured, and started from that: its guest sees the same."""

import asyncio
import contextlib
import subprocess

import msgspec

from tests.hypervisor.stage import PAUSE, SEES, TRIES, WAITS, make_kernel
from understudy.demo.machine import KERNEL_LINE
from understudy.errors import SourceUnavailable
from understudy.hypervisor.protocol import Host, RawImage
from understudy.machine.definition import Cpu, MachineDefinition
from understudy.machine.reading import KEY, as_recorded, of_point
from understudy.qemu.capture import Followed, capture
from understudy.qemu.session import QmpSession

DISKS = {"vda": 4 << 20, "data": 8 << 20, "scsi": 2 << 20, "sata": 1 << 20}


def foreign(kit, root, kernel):
    """A command line as a management tool writes it: everything at its own place, on buses of its own."""
    command = ["qemu-system-x86_64", "-name", "guest=web,,1", "-machine", "q35,accel=tcg", "-cpu", "Nehalem,+rdrand,-x2apic"]
    command += ["-m", "192", "-smp", "2,maxcpus=4,sockets=2,cores=2,threads=1", "-uuid", "00112233-4455-6677-8899-aabbccddeeff"]
    command += ["-nodefaults", "-display", "none", "-rtc", "base=utc,driftfix=slew", "-smbios", "type=1,product=Web"]
    command += ["-kernel", str(kit.kernel), "-initrd", str(kernel), "-append", KERNEL_LINE]
    command += ["-qmp", f"unix:{root}/foreign,server=on,wait=off", "-serial", f"file:{root}/foreign.log"]
    for number in (1, 2):
        function = f"port={number + 15},chassis={number},id=pci.{number},bus=pcie.0,addr=02.{number - 1}"
        command += ["-device", f"pcie-root-port,{function}{',multifunction=on' if number == 1 else ''}"]
    command += ["-device", "virtio-scsi-pci,id=scsi0,bus=pcie.0,addr=05.0", "-device", "virtio-serial-pci,id=ser0,bus=pcie.0,addr=06.0"]
    for name, size in DISKS.items():
        with (root / name).open("wb") as file:
            file.truncate(size)
        command += ["-blockdev", f"driver=file,filename={root}/{name},node-name=n-{name}"]
    command += ["-device", "virtio-blk-pci,drive=n-vda,id=vda,bus=pci.1,addr=00.0,serial=S-VDA,bootindex=1"]
    command += [
        "-device",
        "virtio-blk-pci,drive=n-data,bus=pcie.0,addr=09.0,serial=S-DATA,logical_block_size=4096,physical_block_size=4096",
    ]
    command += ["-device", "scsi-hd,drive=n-scsi,bus=scsi0.0,scsi-id=3,lun=1,serial=S-SCSI,wwn=0x5000c50015ea71ac"]
    command += ["-device", "ide-hd,drive=n-sata,bus=ide.2,serial=S-SATA"]
    command += [
        "-netdev",
        "user,id=u0",
        "-device",
        "virtio-net-pci,netdev=u0,id=net0,mac=52:54:00:AA:00:01,bus=pci.2,addr=00.0,bootindex=2",
    ]
    command += ["-netdev", "hubport,id=h0,hubid=1", "-device", "e1000,netdev=h0,mac=52:54:00:aa:00:02,bus=pcie.0,addr=0a.0"]
    command += ["-chardev", f"socket,path={root}/foreign.qga,server=on,wait=off,id=ch0"]
    command += ["-device", "virtserialport,bus=ser0.0,chardev=ch0,name=org.qemu.guest_agent.0"]
    command += ["-device", "VGA,bus=pcie.0,addr=01.0"]
    return [*command, "-device", "virtio-rng-pci,bus=pcie.0,addr=0b.0", "-device", "ich9-intel-hda"]


async def connected(path):
    for _ in range(TRIES):
        with contextlib.suppress(SourceUnavailable):
            return await QmpSession.connect(str(path))
        await asyncio.sleep(PAUSE)
    raise AssertionError(path)


async def seen_by(path):
    for _ in range(TRIES):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        if "@seen" in lines:
            return [line for line in lines if line.startswith("@")]
        await asyncio.sleep(PAUSE)
    raise AssertionError(lines)


async def test_a_guest_sees_the_same_again(stage, kit, root):
    kernel = make_kernel(kit, root, SEES + WAITS)
    process = await asyncio.to_thread(subprocess.Popen, foreign(kit, root, kernel), stdin=subprocess.DEVNULL)
    try:
        session = await connected(root / "foreign")
        blocks = {block["inserted"]["node-name"].removeprefix("n-"): block["qdev"] for block in await session.execute("query-block")}
        disks = [Followed(name, blocks[name], 4096 if name == "data" else 512) for name in DISKS]
        captured = await capture(session, disks)
        await session.close()
        before = await seen_by(root / "foreign.log")
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
    assert captured.name == "web,1"
    assert captured.cpu == Cpu(count=2, model="Nehalem", flags=("+rdrand", "-x2apic"), sockets=2, dies=1, cores=2, threads=1, most=4)
    assert captured.memory == 192 << 20
    assert [(nic.model, nic.mac, nic.network) for nic in sorted(captured.nics, key=lambda nic: nic.mac)] == [
        ("virtio-net-pci", "52:54:00:aa:00:01", "user"),
        ("e1000", "52:54:00:aa:00:02", ""),
    ]
    assert [(disk.name, disk.bus, disk.serial, disk.sector) for disk in captured.disks] == [
        ("vda", "virtio-blk", "S-VDA", 512),
        ("data", "virtio-blk", "S-DATA", 4096),
        ("scsi", "virtio-scsi", "S-SCSI", 512),
        ("sata", "sata", "S-SATA", 512),
    ]
    assert captured.agent
    assert [words.partition(" is ")[0] for words in captured.unknown if "joined" not in words] == ["unknown: ich9-intel-hda"]
    # By way of a point.
    captured = of_point(msgspec.json.decode(msgspec.json.encode({KEY: as_recorded(captured)})))
    host = Host({name: RawImage(root / name) for name in DISKS}, accelerator="tcg")
    state = await stage.hypervisor.start("web1", captured, host)
    assert state.process
    after = await stage.says("web1", "@seen")
    # But for the sound card, which is said to be missing.
    assert [line for line in before if "0x293e" not in line] == after
    picture = await stage.hypervisor.picture("web1")
    assert picture.data.startswith(b"\x89PNG")
    # Captured again it is the same machine, with nothing unknown but what was.
    session = await QmpSession.connect(str(stage.hypervisor.sockets("web1")[0]))
    again = await capture(
        session, [Followed(name, f"/machine/peripheral/{name}", disk.sector) for name, disk in zip(DISKS, disks, strict=True)]
    )
    await session.close()
    assert same(again) == same(captured)


def same(definition: MachineDefinition) -> MachineDefinition:
    """Without the order of devices and what the networks here are."""
    return msgspec.structs.replace(
        definition,
        controllers=tuple(sorted(definition.controllers, key=lambda controller: controller.name)),
        nics=tuple(msgspec.structs.replace(nic, network="") for nic in sorted(definition.nics, key=lambda nic: nic.mac)),
        unknown=(),
    )
