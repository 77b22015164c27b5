"""What would keep a machine from starting here is told before, with what to do."""

import contextlib
import socket

import msgspec

from understudy.hypervisor.protocol import Bridge, Host, NbdImage, Tap
from understudy.machine.definition import Cpu, Firmware


async def verdicts(stage, definition, host):
    found = await stage.hypervisor.check(definition, host)
    for finding in found:
        assert finding.words
        assert finding.verdict == "pass" or finding.hint
    return {finding.what: finding.verdict for finding in found if finding.verdict != "pass"}, [finding.words for finding in found]


async def test_a_host_that_has_everything(stage, define):
    definition, host = define("")
    definition = msgspec.structs.replace(definition, machine="pc-q35-7.2", cpu=Cpu(model="qemu64"))
    wrong, words = await verdicts(stage, definition, host)
    assert wrong == {}
    assert any("has pc-q35-7.2" in line for line in words)
    assert any("is isolated" in line for line in words)


async def test_a_host_that_has_nothing(stage, define, root):
    definition, _ = define("")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(root / "nbd"))
        wrong, words = await verdicts(
            stage,
            msgspec.structs.replace(
                definition,
                machine="pc-q35-99.0",
                cpu=Cpu(model="Itanium"),
                memory=1 << 50,
                firmware=Firmware(kind="uefi", code="/etc/hostname", variables=f"{root}/none.fd"),
                unknown=("unknown: a thing",),
            ),
            Host({"vda": NbdImage(root / "nbd", "x")}, {"nic0": Bridge("nowhere0")}, accelerator="tcg"),
        )
    failing = dict.fromkeys(("machine type", "processor", "memory", "files", "networks"), "fail")
    assert wrong == {"definition": "warn", **failing}
    assert any("/etc/hostname may not be used" in line for line in words)
    assert any("/none.fd is not here" in line for line in words)
    assert not any("disk vda" in line and "missing" in line for line in words)


async def test_other_shortcomings(stage, define, root):
    definition, _ = define("")
    gone = Host({"vda": NbdImage(root / "nothing", "x")}, {"nic0": Tap("tap0", "no-such-space")}, accelerator="tcg")
    wrong, words = await verdicts(stage, msgspec.structs.replace(definition, cpu=Cpu(model="host")), gone)
    assert wrong == {"processor": "warn", "disks": "fail", "networks": "fail"}
    assert any("network namespace no-such-space" in line for line in words)
    wrong, _ = await verdicts(stage, definition, Host({}, accelerator="tcg"))
    assert wrong["disks"] == "fail"
    wrong, _ = await verdicts(stage, msgspec.structs.replace(definition, extra=("-monitor", "stdio")), gone)
    assert wrong == {"definition": "fail"}
