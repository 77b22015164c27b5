"""A definition and what it is given here, as QEMU's options: a table."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from understudy.errors import InvalidRequest
from understudy.hypervisor.protocol import Bridge, Host, Isolated, NbdImage, Overlay, Qcow2Image, RawImage, Tap, UserNetwork
from understudy.hypervisor.qemu.arguments import Setting, arguments
from understudy.hypervisor.qemu.device_arguments import namespace_of
from understudy.hypervisor.qemu.image_arguments import image_arguments
from understudy.hypervisor.qemu.launch import launcher
from understudy.hypervisor.qemu.places import places_of
from understudy.machine.definition import Controller, Cpu, Disk, Firmware, MachineDefinition, Nic

UUID = "00112233-4455-6677-8899-aabbccddeeff"
PLAIN = MachineDefinition(name="web,1", uuid=UUID, memory=1 << 30)
SETTING = Setting("qemu-system-x86_64", "tcg", places_of(Path("/r"), "a"), "t0")
IMAGES = {name: RawImage(Path(f"/d/{name}")) for name in "abcd"}


def command(definition, host=None, setting=SETTING):
    host = host or Host({disk.name: IMAGES[disk.name] for disk in definition.disks})
    return arguments(definition, host, setting)


def pairs(words):
    return list(pairwise(words))


def test_the_least():
    assert command(PLAIN) == [
        *("qemu-system-x86_64", "-name", "guest=web,,1", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-S", "-action", "shutdown=pause,panic=pause", "-uuid", UUID, "-machine", "q35,accel=tcg"),
        *("-cpu", "max", "-smp", "1", "-m", "size=1073741824B"),
        *("-chardev", "socket,id=us-control,path=/r/a/ctl,server=on,wait=off", "-mon", "chardev=us-control,mode=control"),
        *("-chardev", "socket,id=us-qmp,path=/r/a/qmp,server=on,wait=off", "-mon", "chardev=us-qmp,mode=control"),
        *("-chardev", "null,id=us-run-t0", "-chardev", "ringbuf,id=us-console,size=262144", "-serial", "chardev:us-console"),
    ]


HERE = Disk(name="a")
UEFI = Firmware(kind="uefi", code="/usr/share/c.fd", variables="/usr/share/v.fd")
PORT = Controller(name="pci.1", model="pcie-root-port", bus="pcie.0", address="02.0", chassis=1, port=16, multifunction=True)
NIC = Nic(name="n", mac="52:54:00:00:00:01")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cpu": Cpu(model="host", flags=("+aes",))}, ("-cpu", "max,+aes")),
        ({"cpu": Cpu(count=2, sockets=1, cores=2, most=4)}, ("-smp", "2,maxcpus=4,sockets=1,cores=2")),
        ({"firmware": Firmware(code="/usr/share/b.bin")}, ("-bios", "/usr/share/b.bin")),
        ({"firmware": UEFI}, ("-machine", "q35,accel=tcg,pflash0=us-code,pflash1=us-vars")),
        ({"firmware": UEFI}, ("-blockdev", "driver=file,filename=/r/a/vars.fd,node-name=us-vars-file,read-only=off")),
        ({"controllers": (PORT,)}, ("-device", "pcie-root-port,id=pci.1,bus=pcie.0,addr=02.0,multifunction=on,chassis=1,port=16")),
        (
            {"disks": (Disk(name="a", serial="x,y", boot=0, sector=4096, physical_sector=4096, controller="pci.1", address="00.0"),)},
            (
                "-device",
                "virtio-blk-pci,drive=d-a,id=a,bus=pci.1,addr=00.0,logical_block_size=4096,physical_block_size=4096,serial=x,,y,bootindex=0",
            ),
        ),
        ({"disks": (Disk(name="a", bus="virtio-scsi"),)}, ("-device", "virtio-scsi-pci,id=us-scsi")),
        (
            {"disks": (Disk(name="a", bus="virtio-scsi", unit=2, lun=1),)},
            ("-device", "scsi-hd,drive=d-a,id=a,bus=us-scsi.0,scsi-id=2,lun=1,logical_block_size=512,physical_block_size=512"),
        ),
        (
            {"disks": (Disk(name="a", bus="sata", controller="ide.1", unit=0),)},
            ("-device", "ide-hd,drive=d-a,id=a,bus=ide.1,unit=0,logical_block_size=512,physical_block_size=512"),
        ),
        ({"nics": (NIC,)}, ("-netdev", "hubport,id=n-n,hubid=0")),
        ({"nics": (NIC,)}, ("-device", "virtio-net-pci,netdev=n-n,id=n,mac=52:54:00:00:00:01")),
        ({"video": "VGA"}, ("-device", "VGA")),
        ({"agent": True}, ("-device", "virtserialport,bus=us-serial.0,chardev=us-agent,name=org.qemu.guest_agent.0")),
        ({"extra": ("-rtc", "base=localtime")}, ("-rtc", "base=localtime")),
    ],
)
def test_one_thing_more(changes, expected):
    assert expected in pairs(command(msgspec.structs.replace(PLAIN, **changes)))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (Isolated(), "hubport,id=n-n,hubid=0"),
        (UserNetwork(), "user,id=n-n,restrict=on"),
        (UserNetwork(False, ((2222, 22),)), "user,id=n-n,restrict=off,hostfwd=tcp:127.0.0.1:2222-:22"),
        (Tap("tap0"), "tap,id=n-n,ifname=tap0,script=no,downscript=no"),
        (Bridge("br0"), "bridge,id=n-n,br=br0"),
    ],
)
def test_networks(network, expected):
    words = command(msgspec.structs.replace(PLAIN, nics=(NIC,)), Host({}, {"n": network}))
    assert ("-netdev", expected) in pairs(words)


def test_images():
    nbd = NbdImage(Path("/s,1"), "vda", 5)
    assert image_arguments("a", nbd) == [
        "-blockdev",
        "driver=nbd,server.type=unix,server.path=/s,,1,export=vda,reconnect-delay=5,node-name=d-a,read-only=off,discard=unmap",
    ]
    assert image_arguments("a", Overlay(Path("/o"), nbd, 1)) == [
        "-blockdev",
        "driver=nbd,server.type=unix,server.path=/s,,1,export=vda,reconnect-delay=5,node-name=b-a,read-only=on,discard=unmap",
        "-blockdev",
        "driver=file,filename=/o,node-name=f-a,discard=unmap",
        "-blockdev",
        "driver=qcow2,file=f-a,backing=b-a,node-name=d-a,discard=unmap",
    ]
    assert image_arguments("a", Qcow2Image(Path("/q"))) == [
        "-blockdev",
        "driver=file,filename=/q,node-name=f-a,read-only=off,discard=unmap",
        "-blockdev",
        "driver=qcow2,file=f-a,node-name=d-a,read-only=off,discard=unmap",
    ]
    long = image_arguments("x" * 63, RawImage(Path("/q")))
    nodes = [word.partition("node-name=")[2].partition(",")[0] for word in long if "node-name" in word]
    assert all(len(node) <= 31 for node in nodes)


@pytest.mark.parametrize(
    ("definition", "host", "words"),
    [
        (msgspec.structs.replace(PLAIN, disks=(HERE,)), Host({}), "no image was given for disk a"),
        (PLAIN, Host(IMAGES), "has no disk a, b, c, d"),
        (PLAIN, Host({}, {"n": Isolated()}), "no network card n"),
        (msgspec.structs.replace(PLAIN, extra=("-monitor", "stdio")), Host({}), "-monitor may not be given"),
    ],
)
def test_refusals(definition, host, words):
    with pytest.raises(InvalidRequest, match=words):
        arguments(definition, host, SETTING)


def test_where_it_is_started():
    log = Path("/r/a/qemu.log")
    assert launcher("", "s", log, systemd=False) == ["setsid", "--fork"]
    assert launcher("ns", "s", log, systemd=False) == ["setsid", "--fork", "ip", "netns", "exec", "ns"]
    service = ["systemd-run", "--quiet", "--collect", "--unit=s", "--service-type=exec", "--property=UMask=0077"]
    service += ["--property=StandardOutput=append:/r/a/qemu.log", "--property=StandardError=append:/r/a/qemu.log"]
    assert launcher("", "s", log, systemd=True) == [*service, "--"]
    assert launcher("ns", "s", log, systemd=True) == [*service, "--property=NetworkNamespacePath=/run/netns/ns", "--"]
    assert namespace_of([Tap("a", "ns"), Tap("b", "ns"), Isolated()]) == "ns"
    for several in ([Tap("a", "ns"), Tap("b")], [Tap("a", "ns"), Bridge("b")]):
        with pytest.raises(InvalidRequest):
            namespace_of(several)
