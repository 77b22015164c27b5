"""Whether guests run under KVM here: found out by booting one, since a host may have a /dev/kvm that no stock kernel starts under."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from understudy.demo.kit import Kit
from understudy.demo.machine import Accelerator, qemu_command

# Under a working KVM the guest is up in about one second; a broken one says nothing at all.
_PATIENCE = 6.0
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Finding:
    """The accelerator to use and why, in words for a person."""

    accelerator: Accelerator
    reason: str

    def __str__(self) -> str:
        return f"{'KVM' if self.accelerator == 'kvm' else 'software emulation (TCG)'}, since {self.reason}"


class _Remembered(msgspec.Struct, frozen=True):
    boot: str
    works: bool


def find_accelerator(kit: Kit) -> Finding:
    """KVM where a guest really boots under it, else software emulation. The trial is made once for each boot of the host."""
    if not _DEVICE.exists():
        return Finding("tcg", f"there is no {_DEVICE}")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Finding("tcg", f"{_DEVICE} may not be opened by this user")
    if _works_here(kit):
        return Finding("kvm", "a guest boots under it")
    return Finding("tcg", f"{_DEVICE} exists, and no guest booted under it within {_PATIENCE:.0f} seconds")


def _works_here(kit: Kit) -> bool:
    memory = kit.initramfs.parent / "kvm.json"
    boot = _BOOT_ID.read_text().strip()
    try:
        remembered = msgspec.json.decode(memory.read_bytes(), type=_Remembered)
    except (FileNotFoundError, msgspec.DecodeError):
        remembered = None
    if remembered is None or remembered.boot != boot:
        remembered = _Remembered(boot, _boots_under_kvm(kit))
        scratch = memory.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(msgspec.json.encode(remembered))
        scratch.rename(memory)
    return remembered.works


def _boots_under_kvm(kit: Kit) -> bool:
    command = qemu_command(kit, "kvm", "probe")
    if shutil.which(command[0]) is None:
        return False
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return False
    return b"@up" in done.stdout
