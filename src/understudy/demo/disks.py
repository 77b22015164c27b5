"""Disk images for guests."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from understudy.demo.machine import GuestDisk
from understudy.errors import TargetFailed, Unsupported

# Debian keeps mke2fs where an ordinary user's PATH does not look.
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def make_disk(
    path: Path, format: Literal["raw", "qcow2"], size: int, *, file_system: bool = True, content: Path | None = None
) -> GuestDisk:
    """A new sparse image of ``size`` bytes; with a file system it holds an ext4, filled with the files below ``content``."""
    raw = path if format == "raw" else path.with_name(f"{path.name}.raw")
    with raw.open("xb") as image:
        image.truncate(size)
    if file_system:
        # Nothing is left for the guest's kernel to initialise later, so an idle guest does not write.
        initialised = ["-E", "lazy_itable_init=0,lazy_journal_init=0"]
        _run("mke2fs", "-q", "-F", "-t", "ext4", *initialised, *(["-d", str(content)] if content else []), str(raw))
    if format == "qcow2":
        _run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path))
        raw.unlink()
    return GuestDisk(path, format)


def _run(tool: str, *arguments: str) -> None:
    program = shutil.which(tool, path=_PATH)
    if program is None:
        raise Unsupported(f"there is no {tool} here", hint="apt-get install e2fsprogs qemu-utils")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TargetFailed(f"{tool} failed: {done.stderr.strip()}")
