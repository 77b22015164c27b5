"""What a machine is joined to here: an export of a point under an overlay, a tap in a namespace of its own."""

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.hypervisor.stage import WAITS
from understudy.hypervisor.protocol import Host, NbdImage, Overlay, Status, Tap

COPIES = """
echo "@had $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 7)"
echo "@read $(dd if=/dev/vda bs=1 count=3 2>/dev/null)"
echo "written here" | dd of=/dev/vda bs=4096 seek=1 conv=fsync 2>/dev/null
echo "@wrote $(dd if=/dev/vda bs=4096 skip=1 count=1 2>/dev/null | head -c 7)"
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"us-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "tuntap", "add", "tap0", "mode", "tap"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


async def test_an_export_and_a_tap_elsewhere(stage, define, root, namespace):
    definition, given = define(COPIES + WAITS)
    path = given.disks["vda"].path
    path.write_bytes(b"abc".ljust(1 << 20, b"\0"))
    server = ["qemu-nbd", "-k", str(root / "nbd"), "-f", "raw", "-r", "-t", "-e", "8", "-x", "vda", str(path)]
    process = await asyncio.create_subprocess_exec(*server)
    try:
        for _ in range(600):
            if (root / "nbd").exists():
                break
            await asyncio.sleep(0.05)
        overlay = Overlay(root / "vda.qcow2", NbdImage(root / "nbd", "vda"), 1 << 20)
        host = Host({"vda": overlay}, {"nic0": Tap("tap0", namespace)}, accelerator="tcg")
        findings = await stage.hypervisor.check(definition, host)
        assert [finding for finding in findings if finding.verdict == "fail"] == []
        state = await stage.hypervisor.start("drill", definition, host)
        # It sees the network of that namespace and no other; its lock and its sockets are where they are.
        there = os.stat(f"/proc/{state.process}/ns/net").st_ino
        assert there == os.stat(f"/run/netns/{namespace}").st_ino
        assert there != os.stat("/proc/self/ns/net").st_ino
        said = await stage.says("drill", "@wrote")
        assert "@read abc" in said
        assert "@wrote written" in said
        assert "@had written" not in said
        await stage.hypervisor.destroy("drill")
        assert (await stage.hypervisor.state("drill")).status is Status.ENDED
        assert path.read_bytes() == b"abc".ljust(1 << 20, b"\0")
        # The overlay keeps it for the next start.
        await stage.hypervisor.start("drill", definition, host)
        await stage.says("drill", "@had written")
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
