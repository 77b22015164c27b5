"""From an export to the files of its disks, and back. Blocks; whatever is killed in between, taking down finds what is there."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import remove, state_directory
from understudy.errors import Busy, InvalidRequest, StateFailed, Unsupported
from understudy.mounts import kinds, overlaid, processes, table
from understudy.mounts.kinds import Signature, Words
from understudy.mounts.loop import attached, loops_on
from understudy.mounts.probing import found_on
from understudy.mounts.record import RAW, Places, is_ours, point_of, points_in, raw_of
from understudy.mounts.users import users_of

_GOES = 20.0
_POLL = 0.02


def must_be_empty(directory: Path) -> bool:
    """Whether it is there at all. `InvalidRequest` if it holds something."""
    try:
        status = directory.stat()
        if os.listdir(directory):
            raise InvalidRequest(f"{directory} is not empty", hint="name a new directory, or an empty one")
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            # They could lead what is mounted there to another place.
            raise InvalidRequest(f"others may write to {directory}", hint="name a new directory, or one of root's own")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unfit(directory, error) from None
    return True


def made(directory: Path) -> None:
    """It is there, and empty."""
    try:
        if not must_be_empty(directory):
            directory.mkdir(mode=0o700)
    except OSError as error:
        raise _unfit(directory, error) from None


def _unfit(directory: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(f"files cannot be shown in {directory}: {error.strerror}", hint="name another directory")


def disks_of(export: engine.Export, directory: str, only: Sequence[str]) -> tuple[engine.MountedDisk, ...]:
    return tuple(
        engine.MountedDisk(name=disk.name, size=disk.size, raw=str(raw_of(directory, engine.checked_name("disk", disk.name))))
        for disk in export.disks
        if not only or disk.name in only
    )


def shown(places: Places, export: engine.Export, mount: engine.Mount) -> tuple[engine.Volume, ...]:
    """What lies on its disks, and the files of all that this host can mount below its directory."""
    with state_directory(places.directory):
        overlaid.shown(places, export, mount.disks)
    return tuple(_mounted(mount.directory, volume, signature, disk.raw) for disk in mount.disks for volume, signature in found_on(disk))


def _mounted(directory: str, volume: engine.Volume, found: Signature, raw: str) -> engine.Volume:
    volume = msgspec.structs.replace(volume, kind=found.kind, label=found.label)
    if found.usage != "filesystem":
        words = kinds.words_for(found, volume, raw)
        return msgspec.structs.replace(volume, note=words.note, hint=words.hint)
    point = point_of(directory, volume.disk, volume.partition)
    point.mkdir()
    why = _tried(volume, raw, str(point))
    if why is None:
        return msgspec.structs.replace(volume, path=str(point))
    point.rmdir()
    return msgspec.structs.replace(volume, note=why.note, hint=why.hint)


def _tried(volume: engine.Volume, raw: str, point: str) -> Words | None:
    """None: it is mounted. The device is writable, so that what its own system had not finished is replayed, into the overlay."""
    words = None
    for driver in kinds.drivers_of(volume.kind):
        try:
            with attached(Path(raw), volume.start, volume.size) as device:
                table.mount(driver, kinds.options_of(volume.kind), device, point)
        except table.Refused as refused:
            words = kinds.refused(volume, refused.said, raw)
        except (OSError, Unsupported) as error:
            words = kinds.refused(volume, str(error), raw)
        else:
            return None
    return words


def taken_down(places: Places, mount: engine.Mount, *, ours: bool) -> tuple[str, ...]:
    """No mount, device, process or file of it is left but its record. Gives what stays of its directory, for something else lies in there.

    `ours`: the directory was made for it. `Busy`, and nothing was changed, while somebody uses it.
    """
    directory = mount.directory
    _must_be_unused(directory)
    for mounted in reversed(table.mounted_below(directory)):
        if not mounted.point.endswith(f"/{RAW}"):
            _unmounted(directory, mounted.point)
    _until(lambda: not loops_on(directory), directory)
    if not processes.killed(overlaid.command(places), places.log):
        raise StateFailed(
            "qemu-storage-daemon does not end, though it was killed", hint="the disk of the state directory may be stalled; try again"
        )
    for mounted in reversed(table.mounted_below(directory)):
        if is_ours(directory, mounted.point):
            _unmounted(directory, mounted.point)
    with state_directory(places.directory):
        for path in [*places.directory.glob("*.qcow2"), places.process, places.log]:
            remove(path)
        return _tidied(Path(directory), ours)


def _must_be_unused(directory: str) -> None:
    users = users_of(directory)
    if users:
        raise Busy(f"{directory} is in use: {'; '.join(users)}", hint="end that, then say it again")


def _unmounted(directory: str, point: str) -> None:
    """What has just been let go may be busy for a moment."""
    until = time.monotonic() + _GOES
    while True:
        try:
            return table.unmount(point)
        except table.Refused as refused:
            if not refused.busy:
                raise StateFailed(f"{point} cannot be unmounted: {refused.said}", hint="unmount it by hand, then say it again") from None
            _must_be_unused(directory)
            if time.monotonic() > until:
                raise Busy(
                    f"{point} is in use, and not by a process that can be seen here",
                    hint="an NFS export, or a container that was started since, may have it; end that, then say it again",
                ) from None
        time.sleep(_POLL)


def _until(done: Callable[[], bool], directory: str) -> None:
    until = time.monotonic() + _GOES
    while not done():
        if time.monotonic() > until:
            _must_be_unused(directory)
            raise Busy(f"loop devices on {directory} do not end", hint="see `losetup --list`")
        time.sleep(_POLL)


def _tidied(directory: Path, ours: bool) -> tuple[str, ...]:
    """Removes what is empty, and nothing that holds anything."""
    if not directory.is_dir():
        return ()
    for raw in directory.glob(f"*/{RAW}"):
        if not raw.stat().st_size:
            raw.unlink()
    emptied = [*points_in(str(directory)), *sorted(path for path in directory.iterdir() if path.is_dir())]
    for path in [*emptied, *([directory] if ours else [])]:
        with contextlib.suppress(OSError):
            path.rmdir()
    return tuple(str(path) for path in emptied if path.is_dir())
