"""Files that a machine needs before it starts: overlays, and its copy of the UEFI variables."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

from understudy.durable import replace_file, sync_directory
from understudy.errors import TargetFailed, Unsupported
from understudy.hypervisor.protocol import Host, Overlay
from understudy.hypervisor.qemu.places import Places
from understudy.machine.definition import MachineDefinition

_OPTIONS = "cluster_size=65536,lazy_refcounts=off"
_ROOM = "free space there, or choose another place"


async def prepare(definition: MachineDefinition, host: Host, places: Places) -> None:
    """Make what is missing; what is there is used on, since the machine may have written to it."""
    for image in host.disks.values():
        if isinstance(image, Overlay) and not image.path.exists():
            await asyncio.to_thread(_make_overlay, image)
    if definition.firmware.kind == "uefi" and not places.variables.exists():
        await asyncio.to_thread(_copy_variables, Path(definition.firmware.variables), places.variables)


def _make_overlay(overlay: Overlay) -> None:
    if shutil.which("qemu-img") is None:
        raise Unsupported("there is no qemu-img here", hint="apt-get install qemu-utils")
    staged = overlay.path.with_name(overlay.path.name + ".new")
    # What lies under it is named at every start: it may be another socket then.
    command = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        _OPTIONS,
        str(staged),
        str(overlay.size),
    ]
    try:
        overlay.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise TargetFailed(f"the overlay {overlay.path} cannot be made: {done.stderr.strip()}", hint=_ROOM)
        _flush(staged)
        # A whole file appears, and a machine that wrote to one of this name keeps it.
        os.link(staged, overlay.path)
        sync_directory(overlay.path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise TargetFailed(f"the overlay {overlay.path} cannot be made: {error.strerror}", hint=_ROOM) from error
    finally:
        staged.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fchmod(fd, 0o600)
        os.fsync(fd)
    finally:
        os.close(fd)


def _copy_variables(template: Path, target: Path) -> None:
    try:
        content = template.read_bytes()
    except OSError as error:
        raise TargetFailed(f"the UEFI variables {template} cannot be read: {error.strerror}", hint="apt-get install ovmf") from error
    replace_file(target, content)
