"""What the tests of the hypervisor share."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.demo.initramfs import build_initramfs
from understudy.demo.kit import Kit
from understudy.hypervisor.protocol import State, Status
from understudy.hypervisor.qemu.driver import QemuHypervisor

TRIES, PAUSE = 1200, 0.2
"""Each question costs QEMU and this host some of the time that the guest needs."""
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
for module in $(cat /modules/order); do insmod "/modules/$module"; done
"""
SEES = """
echo "@processors $(grep -c ^processor /proc/cpuinfo)"
echo "@memory $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
echo "@uuid $(cat /sys/class/dmi/id/product_uuid)"
for d in /sys/class/block/vd*; do
    q=$d/queue
    echo "@disk ${d##*/} $(cat $d/serial) $(cat $d/size) $(cat $q/logical_block_size) $(cat $q/physical_block_size) $(readlink -f $d)"
done
for d in /sys/bus/pci/devices/*; do echo "@pci ${d##*/} $(cat $d/vendor) $(cat $d/device) $(cat $d/class)"; done
echo "@seen"
"""
WAITS = "\nwhile true; do sleep 1; done\n"


def make_kernel(kit: Kit, directory: Path, script: str, programs: Mapping[str, bytes] | None = None) -> Path:
    """The kit's initramfs with another init over its own, and more programs by their paths."""
    content = INIT + script
    path = directory / f"init-{hashlib.sha256(content.encode()).hexdigest()[:12]}.gz"
    path.write_bytes(kit.initramfs.read_bytes() + build_initramfs({"/init": content.encode(), **(programs or {})}))
    return path


@dataclass
class Stage:
    hypervisor: QemuHypervisor
    root: Path

    async def until(self, run: str, found: Callable[[State], bool]) -> State:
        for _ in range(TRIES):
            state = await self.hypervisor.state(run)
            if found(state):
                return state
            await asyncio.sleep(PAUSE)
        raise AssertionError(state)

    async def says(self, run: str, word: str) -> list[str]:
        """All lines until the guest said this one."""
        for _ in range(TRIES):
            lines = (await self.hypervisor.console(run)).decode(errors="replace").replace("\r", "").splitlines()
            if any(line.startswith(word) for line in lines):
                return [line for line in lines if line.startswith("@")]
            state = await self.hypervisor.state(run)
            assert state.status in (Status.RUNNING, Status.SHUT_DOWN), (state, lines[-20:])
            await asyncio.sleep(PAUSE)
        raise AssertionError(lines)
