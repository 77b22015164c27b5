"""What may be a definition, and what may not."""

import msgspec
import pytest

from understudy.errors import InvalidRequest
from understudy.machine.definition import Controller, Disk, Firmware, MachineDefinition, Nic
from understudy.machine.extra import objections
from understudy.machine.reading import KEY, as_recorded, from_toml, judged, of_point, to_toml

UUID = "00112233-4455-6677-8899-aabbccddeeff"
FULL = MachineDefinition(
    name="web1",
    uuid=UUID,
    memory=1 << 30,
    controllers=(Controller(name="scsi0", model="virtio-scsi-pci", bus="pcie.0", address="05.0"),),
    disks=(Disk(name="vda", serial="S", boot=0), Disk(name="vdb", bus="virtio-scsi", controller="scsi0", unit=1)),
    nics=(Nic(name="n0", mac="52:54:00:00:00:01", network="br0", boot=1), Nic(name="n1", mac="52:54:00:00:00:02", model="e1000")),
    extra=("-rtc", "base=utc", "-device", "virtio-rng-pci,id=rng0,bus=pcie.0,addr=0x9"),
    unknown=("unknown: a thing",),
)


def test_through_a_point():
    recorded = msgspec.json.decode(msgspec.json.encode({"kind": "qemu", KEY: as_recorded(FULL)}, order="sorted"))
    assert of_point(recorded) == FULL
    with pytest.raises(InvalidRequest, match="does not say what its machine is made of"):
        of_point({"kind": "block"})
    with pytest.raises(InvalidRequest, match=r"cannot be read here.*memory"):
        of_point({KEY: {**as_recorded(FULL), "memory": -1}})


def test_as_an_operator_reads_it() -> None:
    assert from_toml(to_toml(FULL)) == FULL


def test_from_an_operators_file():
    text = f"""
    name = "web1"
    uuid = "{UUID}"
    memory = 1073741824
    [[disks]]
    name = "vda"
    serial = "S"
    [[nics]]
    name = "n0"
    mac = "52:54:00:00:00:01"
    """
    expected = MachineDefinition(
        name="web1", uuid=UUID, memory=1 << 30, disks=(Disk(name="vda", serial="S"),), nics=(Nic(name="n0", mac="52:54:00:00:00:01"),)
    )
    assert from_toml(text) == expected
    for wrong in (text.replace("memory", "memroy"), text + "model = 'x'", "name = ", text.replace("S", "x" * 21)):
        with pytest.raises(InvalidRequest):
            from_toml(wrong)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disks": (Disk(name="n0"),)}, "two parts have the name 'n0'"),
        ({"nics": (Nic(name="a", mac="52:54:00:00:00:01"), Nic(name="b", mac="52:54:00:00:00:01"))}, "two network cards"),
        ({"nics": (Nic(name="a", mac="01:00:00:00:00:01"),)}, "multicast"),
        ({"nics": (Nic(name="a", mac="52:54:00:00:00:01", bus="pcie.0", address="05.0"),)}, "two devices are at 05.0 of pcie.0"),
        ({"nics": (Nic(name="a", mac="52:54:00:00:00:01", boot=0),)}, "two devices are number 0"),
        ({"disks": (Disk(name="a", sector=4096),)}, "the physical ones no smaller"),
        ({"disks": (Disk(name="a", bus="sata", sector=4096, physical_sector=4096),)}, "on sata a sector has 512"),
        ({"disks": (Disk(name="a", serial="x" * 21),)}, "at most 20 characters"),
        ({"firmware": Firmware(kind="uefi")}, "UEFI needs"),
        ({"extra": ("-rtc",)}, "in pairs"),
    ],
)
def test_what_contradicts_itself(changes, words):
    with pytest.raises(InvalidRequest, match=words):
        judged(msgspec.structs.replace(FULL, **changes))


@pytest.mark.parametrize(
    "given",
    [
        *(("-netdev", "user,id=x"), ("-drive", "file=/etc/shadow"), ("-monitor", "stdio"), ("-incoming", "exec:id"), ("-daemonize", "")),
        *(("-device", "vfio-pci,host=01:00.0"), ("-device", "virtio-rng-pci,romfile=/etc/shadow"), ("-device", "virtio-rng-pci,rng=other")),
        *(("-smbios", "type=11,path=/etc/shadow"), ("-smbios", "file=/etc/shadow"), ("-smbios", "type=1,manufacturer=a,path=/etc/shadow")),
        *(("-global", "virtio-net-pci.romfile=/etc/shadow"), ("-rtc", "base=utc\n-S"), ("-boot", "menu=on,splash=/etc/shadow")),
        ("-device", "loader,file=/etc/shadow"),
    ],
)
def test_what_reaches_beyond_the_machine(given):
    assert objections(given)


@pytest.mark.parametrize(
    "given",
    [
        *(("-rtc", "base=localtime,driftfix=slew"), ("-smbios", "type=1,manufacturer=A,, Inc,product=x"), ("-boot", "order=c,menu=on")),
        *(("-global", "ICH9-LPC.disable_s3=1"), ("-device", "usb-tablet,bus=usb.0,port=1")),
    ],
)
def test_what_may_be_given(given):
    assert objections(given) == []
