"""From whatever targets hold to a wanted point: restore, standby, rollback and failback are this one operation.

Every disk is written and proven first; only then do new files get their names. Killed at any moment it may simply be repeated.
"""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

from understudy.errors import InvalidRequest, UnderstudyError
from understudy.recovery.disk_work import DiskWork, FindPoint, MachineContent, Staged
from understudy.recovery.place import Place, admit, open_place
from understudy.recovery.progress import Listener, unheard
from understudy.recovery.publish import publish
from understudy.recovery.report import Restored


async def materialise(
    wanted: MachineContent,
    places: Mapping[str, Place],
    find: FindPoint,
    *,
    overwrite: bool = False,
    trusting: bool = False,
    listener: Listener = unheard,
) -> Restored:
    """Make every place in `places` (by disk name) hold its disk as of `wanted`; durable and proven when this returns.

    The first failure ends it and names the disk; new files then have not got their names, and a repetition goes on from there.
    `overwrite`: also where a device or a file not known as an image of that disk would be lost. `trusting`: an image that was proven once
    and not touched since is not read again after the change, whose every frame is authentic; all others are.
    """
    _check(wanted, places)
    for name, place in places.items():
        try:
            admit(place, wanted.disks[name].disk, wanted.subject(name), overwrite=overwrite)
        except UnderstudyError as error:
            raise type(error)(f"disk {name!r}: {error.message}; nothing was written", hint=error.hint) from error
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        staged: list[Staged] = []
        for name, place in places.items():
            work = DiskWork(wanted, wanted.disks[name], find, listener, trusting)
            try:
                opened = await open_place(place, work.content.disk, work.subject, wanted.point, overwrite=overwrite)
                stack.push_async_callback(opened.target.close)
                staged.append(await work.stage(opened))
            except UnderstudyError as error:
                raise _naming(error, name, len(staged), len(places)) from error
        for done in staged:
            publish(done, wanted.subject(done.disk.name), wanted.point)
    return Restored(wanted.point, tuple(done.disk for done in staged), time.monotonic() - began)


def _check(wanted: MachineContent, places: Mapping[str, Place]) -> None:
    missing = sorted(places.keys() - wanted.disks.keys())
    if missing or not places:
        raise InvalidRequest(
            f"point {wanted.point} has no disk {missing[0]!r}" if missing else "no disk was named",
            hint=f"it has {', '.join(sorted(wanted.disks))}",
        )
    paths = [place.path.resolve() for place in places.values()]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"{twice} is named for two disks", hint="give every disk a target of its own")


def _naming(error: UnderstudyError, disk: str, done: int, disks: int) -> UnderstudyError:
    """The same error, saying which disk, and what became of the others."""
    others = f" ({done} of {disks} disks were ready before it)" if disks > 1 else ""
    return type(error)(f"disk {disk!r}: {error.message}{others}", hint=error.hint)
