"""`understudy restore --group`: all machines of a group as they were at one instant."""

import os

from understudy.cli.progress import shown
from understudy.cli.selecting_instant import select_instant
from understudy.cli.session import Session
from understudy.cli.words import age, local_time, size
from understudy.engine import ImageFormat, Instant, RestoreGroup, checked_name
from understudy.engine.units import count, duration
from understudy.errors import InvalidRequest


async def restore_group(session: Session, which: str, directory: str | None, image_format: ImageFormat, overwrite: bool) -> None:
    """Each machine's disks go to a directory of its own below `directory`."""
    if directory is None:
        raise InvalidRequest("nothing says where to restore to", hint="give --to DIR; each machine gets a directory of its own in it")
    out = session.output
    async with session.engine() as engine:
        instants = await engine.instants()
        instant = select_instant(instants, which)
        later = [other for other in instants if other.group == instant.group][::-1]
        passed = [other for other in later[: later.index(instant)] if not other.complete]
        if passed:
            out.warn(f"{count(len(passed), 'later instant')} of group {instant.group} is incomplete and was passed over")
        targets = targets_of(instant, directory, image_format)
        out.say(
            f"restoring group {instant.group} as of {local_time(instant.frozen_at)} ({age(instant.frozen_at)}), instant {instant.id[:8]}"
        )
        request = RestoreGroup(instant=instant.id, format=image_format, targets=targets, overwrite=overwrite)
        with shown(out) as progress:
            restored = await engine.restore_group(request, progress)
    out.document(restored)
    for machine in restored.machines:
        for disk in machine.disks:
            out.say(f"{machine.machine} {disk.name}: {disk.path} ({size(disk.size)}): {size(disk.written_bytes)} written")
    out.say(f"{count(len(restored.machines), 'machine')} restored and proven by digest in {duration(restored.seconds)}", style="bold")


def targets_of(instant: Instant, directory: str, image_format: ImageFormat) -> dict[str, dict[str, str]]:
    """By machine and disk DIR/<machine>/<disk>.<format>, absolute. Names come from the vault: each must be fit for a directory."""
    targets = {}
    for member in instant.members:
        base = os.path.join(os.path.abspath(directory), checked_name("machine", member.name))
        disks = member.point.disks if member.point is not None else ()
        targets[member.machine] = {disk.name: os.path.join(base, f"{disk.name}.{image_format}") for disk in disks}
    return targets
