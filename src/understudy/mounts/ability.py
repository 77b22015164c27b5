"""What a host must have to show the files of a point."""

import errno
import os
import shutil
from pathlib import Path

from understudy.errors import AccessDenied, Unsupported

TOOLS = {
    "qemu-storage-daemon": "qemu-system-common",
    "qemu-img": "qemu-utils",
    "setsid": "util-linux",
    "blkid": "util-linux",
    "partx": "util-linux",
    "mount": "mount",
    "umount": "mount",
}
"""Programs, and Debian's packages that have them."""
_DEVICES = {"/dev/fuse": "fuse", "/dev/loop-control": "loop"}
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def must_be_root() -> None:
    if os.geteuid() != 0:
        raise AccessDenied(
            "only root can mount file systems, and unmount them",
            hint="say it again as root, with vault and key: sudo --preserve-env=UNDERSTUDY_VAULT,UNDERSTUDY_KEY_FILE understudy …",
        )


def must_be_able() -> None:
    """Root, the tools, and the kernel's parts. `AccessDenied` or `Unsupported` otherwise."""
    must_be_root()
    must_have_tools(None)
    for device, module in _DEVICES.items():
        must_open(Path(device), module)


def must_have_tools(path: str | None) -> None:
    """On this search path; None: that of this process."""
    missing = {name: package for name, package in TOOLS.items() if shutil.which(name, path=path) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Unsupported(f"not installed: {', '.join(missing)}", hint=f"apt-get install {packages}")


def must_open(device: Path, module: str) -> None:
    """Opening it makes the kernel load what belongs to it."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        what = f"this kernel has no {module} at work" if error.errno in _ABSENT else f"{device} cannot be opened: {error.strerror}"
        raise Unsupported(what, hint=f"modprobe {module}; in a container, let it have {device}") from None
