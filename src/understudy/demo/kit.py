"""The guest kit: a Debian kernel and an initramfs with our own programs, built once into a cache.

The parts that need a network (kernel, busybox, e2fsck) are kept apart from what is built of them, so that a change of the guest's
programs needs only a compiler. ``python -m understudy.demo.kit`` builds it and says where it is.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from understudy.demo.initramfs import build_initramfs
from understudy.demo.kernel import load_order, module_name, unpack_kernel
from understudy.demo.packages import PackageSource, read_members
from understudy.errors import TargetFailed, UnderstudyError, Unsupported

KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "crc32c_intel")
"""What every guest loads, in this order: /modules/order."""
ON_REQUEST = ("virtio_console", "button", "evdev")
"""What one loads that has an agent, or a power button: /modules/on-request."""
PARTS = "parts-2"
"""Another one when there is more to download."""
PROGRAMS = ("writer", "checker", "churn")
# A module depends on others of these directories only.
_MODULE_DIRECTORIES = (
    *("/drivers/virtio/", "/drivers/block/virtio_blk.", "/arch/x86/crypto/crc32c-intel."),
    *("/drivers/char/virtio_console.", "/drivers/acpi/button.", "/drivers/input/evdev."),
)
_SPACE_MIB = 400


@dataclass(frozen=True)
class Kit:
    """Paths of what a guest is started with."""

    kernel: Path
    initramfs: Path


def default_directory() -> Path:
    """$UNDERSTUDY_GUEST_KIT, else .cache/guest of the checkout that this package runs from, else a directory in the user's cache."""
    chosen = os.environ.get("UNDERSTUDY_GUEST_KIT")
    if chosen:
        return Path(chosen)
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").exists():
        return checkout / ".cache" / "guest"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "understudy" / "guest"


def build_kit(directory: Path | None = None) -> Kit:
    """The kit in ``directory``, built as far as it is missing or older than the guest's sources."""
    directory = directory or default_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "lock").touch()
    except OSError as error:
        raise TargetFailed(
            f"the guest kit cannot be kept in {directory}: {error.strerror}",
            hint="name a directory that you may write to: UNDERSTUDY_GUEST_KIT=/elsewhere understudy demo",
        ) from error
    with _locked(directory / "lock"):
        parts = directory / PARTS
        if not parts.exists():
            _require_space(directory)
            with _building(directory) as scratch:
                _download_parts(scratch, directory / "apt")
                scratch.rename(parts)
            shutil.rmtree(directory / "apt", ignore_errors=True)
        initramfs = directory / f"initramfs-{PARTS}-{_digest_of_sources()}.gz"
        if not initramfs.exists():
            with _building(directory) as scratch:
                (scratch / "initramfs").write_bytes(_assemble(parts, scratch))
                (scratch / "initramfs").rename(initramfs)
            for old in directory.glob("initramfs-*.gz"):
                if old != initramfs:
                    old.unlink()
    return Kit(kernel=parts / "vmlinux", initramfs=initramfs)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _building(directory: Path) -> Iterator[Path]:
    """A directory beside the results, so that they appear whole, by renaming."""
    for left in directory.glob("building-*"):
        shutil.rmtree(left)
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=directory))
    scratch.chmod(0o755)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _require_space(directory: Path) -> None:
    free = shutil.disk_usage(directory).free >> 20
    if free < _SPACE_MIB:
        raise TargetFailed(f"the guest kit needs {_SPACE_MIB} MiB in {directory}, and {free} MiB are free", hint="free some space there")


def _download_parts(parts: Path, state: Path) -> None:
    source = PackageSource(state)
    source.refresh()
    packages = state / "packages"
    kernel = source.download(source.dependency(KERNEL_PACKAGE, "linux-image-"), packages)
    files = read_members(kernel, lambda name: name.startswith("boot/vmlinuz-") or any(part in name for part in _MODULE_DIRECTORIES))
    (parts / "modules").mkdir()
    modules = {}
    for name, content in files.items():
        if name.startswith("boot/"):
            (parts / "vmlinux").write_bytes(unpack_kernel(content))
        else:
            modules[module_name(name)] = content
    order = load_order(modules, MODULES)
    on_request = [name for name in load_order(modules, ON_REQUEST) if name not in order]
    for name in order + on_request:
        (parts / "modules" / name).write_bytes(modules[name])
    for listing, names in (("order", order), ("on-request", on_request)):
        (parts / "modules" / listing).write_text("".join(f"{name}\n" for name in names))
    for package, program in (("busybox-static", "busybox"), ("e2fsck-static", "e2fsck.static")):
        found = read_members(source.download(package, packages), re.compile(rf".*bin/{re.escape(program)}").fullmatch)
        (parts / program.removesuffix(".static")).write_bytes(next(iter(found.values())))


def _sources() -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in resources.files("understudy.demo").joinpath("guest").iterdir() if item.is_file()}


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for name, content in sorted(_sources().items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _assemble(parts: Path, scratch: Path) -> bytes:
    sources = _sources()
    for name, content in sources.items():
        (scratch / name).write_bytes(content)
    files = {"/init": sources["init"]}
    for program in PROGRAMS:
        files[f"/bin/{program}"] = _compile(scratch / f"{program}.c", scratch / program)
    for program in ("busybox", "e2fsck"):
        files[f"/bin/{program}"] = (parts / program).read_bytes()
    for module in (parts / "modules").iterdir():
        files[f"/modules/{module.name}"] = module.read_bytes()
    return build_initramfs(files, ("/dev", "/proc", "/sys", "/tmp", "/mnt"))


def _compile(source: Path, program: Path) -> bytes:
    if shutil.which("gcc") is None:
        raise Unsupported("there is no gcc to build the guest's programs with", hint="apt-get install gcc libc6-dev")
    command = ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-s", "-o", str(program), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unsupported(f"building the guest's {program.name} failed:\n{done.stderr.strip()}", hint="apt-get install gcc libc6-dev")
    return program.read_bytes()


if __name__ == "__main__":
    try:
        print(build_kit().initramfs.parent)
    except UnderstudyError as failure:
        sys.exit(f"{failure.message}\n{failure.hint}".strip())
