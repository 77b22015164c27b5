"""A definition from a QEMU that stands still: what needs no guest to be seen."""

from tests.source.machine import MIB, blockdev
from understudy.machine.definition import Firmware
from understudy.qemu.capture import Followed, capture
from understudy.qemu.command_line import properties, values_of
from understudy.qemu.session import QmpSession


async def captured(machine):
    session = await QmpSession.connect(machine.qmp)
    definition = await capture(session, [Followed("a", "/machine/peripheral/a/virtio-backend", 512)])
    await session.close()
    return definition


async def test_firmware_is_told_by_its_files(start_machine, short_directory):
    words = []
    for name, node in (("OVMF_CODE_4M.secboot.fd", "code"), ("own.fd", "vars")):
        (short_directory / name).write_bytes(bytes(64 << 10))
        read_only = "on" if node == "code" else "off"
        words += ["-blockdev", f"driver=file,filename={short_directory}/{name},node-name={node},read-only={read_only}"]
    machine = await start_machine(blockdev(short_directory, "a", "raw", MIB), options=[*words, "-machine", "pflash0=code,pflash1=vars"])
    definition = await captured(machine)
    code = f"{short_directory}/OVMF_CODE_4M.secboot.fd"
    # A host where it starts has the template, and not the file of this machine.
    assert definition.firmware == Firmware(kind="uefi", code=code, variables=f"{short_directory}/OVMF_VARS_4M.fd")
    assert any("own.fd" in words and "in no point" in words for words in definition.unknown)


async def test_short_options_and_what_goes_missing(start_machine, short_directory):
    options = [
        "-vga",
        "std",
        "-nic",
        "user,model=e1000,mac=52:54:00:00:00:07",
        "-device",
        "ich9-intel-hda",
        "-global",
        "PIIX4_PM.disable_s3=1",
    ]
    options += ["-smbios", f"type=11,path={short_directory}/secret", "-serial", "null"]
    (short_directory / "secret").write_text("x")
    machine = await start_machine(blockdev(short_directory, "a", "raw", MIB), blockdev(short_directory, "b", "raw", MIB), options=options)
    definition = await captured(machine)
    assert definition.video == "VGA"
    assert [(nic.model, nic.mac, nic.network) for nic in definition.nics] == [("e1000", "52:54:00:00:00:07", "user")]
    assert definition.extra == ("-global", "PIIX4_PM.disable_s3=1")
    assert definition.serial
    assert not definition.agent
    missing = " ".join(definition.unknown)
    for words in ("virtio-blk-pci b is not started again", "ich9-intel-hda", "-smbios type=11", "definition set"):
        assert words in missing


def test_words_of_a_command_line():
    words = ["qemu-system-x86_64", "-cpu", "max", "--cpu", "host,-aes", "-device", "a,b=c,,d"]
    assert values_of(words, "cpu") == ["max", "host,-aes"]
    assert properties("a,b=c,,d,e") == ("a", {"b": "c,d", "e": ""})
    assert properties("base=utc") == ("", {"base": "utc"})
    assert properties('{"driver":"a,b"}') == ('{"driver":"a,b"}', {})
