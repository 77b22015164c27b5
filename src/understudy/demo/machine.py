"""The QEMU command line of a guest: a pure function of what it is started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from understudy.demo.kit import Kit

Accelerator = Literal["kvm", "tcg"]
Mode = Literal["write", "check", "shell", "probe"]

KERNEL_LINE = (
    "console=ttyS0 quiet panic=-1 nokaslr mitigations=off rodata=off cryptomgr.notests "
    "initcall_blacklist=init_kprobe_trace,crypto_kdf108_init tsc=reliable no_timer_check"
)
"""Without what a stock kernel proves of itself and of its processor at each boot: a fifth of the time that one takes under emulation."""


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """An image file that a guest sees as its next virtio disk (vda, vdb, ...)."""

    path: Path
    format: Literal["raw", "qcow2"]
    sector: int = 512


def qemu_command(
    kit: Kit,
    accelerator: Accelerator,
    mode: Mode,
    disks: Sequence[GuestDisk] = (),
    *,
    monitors: Sequence[Path] = (),
    options: Mapping[str, str] | None = None,
) -> list[str]:
    """A guest whose console is QEMU's standard input and output.

    Disk i has the block node ``disk<i>``; each path in ``monitors`` is a QMP socket of its own; ``options`` are handed to the guest.
    """
    words = {"mode": mode, "disks": str(len(disks)), **(options or {})}
    kernel_line = " ".join([KERNEL_LINE, *(f"us.{key}={value}" for key, value in words.items())])
    command = [
        *("qemu-system-x86_64", "-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == "kvm" else "max", "-m", "256"),
        *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(kit.kernel), "-initrd", str(kit.initramfs), "-append", kernel_line),
    ]
    for monitor in monitors:
        command += ["-qmp", f"unix:{monitor},server=on,wait=off"]
    for number, disk in enumerate(disks):
        filename = str(disk.path).replace(",", ",,")
        command += ["-blockdev", f"driver=file,filename={filename},node-name=file{number},discard=unmap"]
        command += ["-blockdev", f"driver={disk.format},file=file{number},node-name=disk{number},discard=unmap"]
        sectors = f"logical_block_size={disk.sector},physical_block_size={disk.sector}"
        command += ["-device", f"virtio-blk-pci,drive=disk{number},id=vd{number},{sectors}"]
    return command
