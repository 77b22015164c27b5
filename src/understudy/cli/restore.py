"""`understudy restore`."""

import os

import click

from understudy.cli.completing import machine_names
from understudy.cli.pairs import pairs
from understudy.cli.progress import shown
from understudy.cli.restore_group import restore_group
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age, local_time, size
from understudy.engine import ImageFormat, Point, Restore, RestoredDisk
from understudy.engine.units import duration
from understudy.errors import InvalidRequest, NotFound


@click.command("restore")
@click.argument("which", metavar="[NAME[@POINT]]", required=False, shell_complete=machine_names)
@click.option("--group", metavar="GROUP[@POINT]", help="All machines of a group, each into DIR/<machine>.")
@click.option("--to", "directory", metavar="DIR", help="Write each disk to DIR/<disk>.raw or .qcow2.")
@click.option("disks", "--disk", multiple=True, metavar="NAME=PATH", help="Write this disk to PATH; without --to, only disks so named.")
@click.option("image_format", "--format", type=click.Choice(["raw", "qcow2"]), default="raw", show_default=True, help="Form of the images.")
@click.option("--overwrite", is_flag=True, help="Also overwrite what was not restored from this machine, or was used since.")
@common
async def command(
    session: Session,
    which: str | None,
    group: str | None,
    directory: str | None,
    disks: tuple[str, ...],
    image_format: ImageFormat,
    overwrite: bool,
) -> None:
    """Write the disks of a recovery point to files or devices.

    POINT is `latest` (the default), a number or the beginning of an id from `understudy points`, or a time (the newest
    point at or before it). Killed and said again, it goes on. An image that already holds another point of the machine is
    brought to the wanted one by writing only what differs.

    Of a group the machines' points of one instant are restored together: its newest complete one, the newest at or before a
    time, or one by its id from `understudy points --group`.
    """
    if (which is None) == (group is None) or (group is not None and disks):
        raise InvalidRequest("name a machine or a group to restore", hint="NAME[@POINT], or --group GROUP[@POINT] with --to DIR")
    if group is not None:
        await restore_group(session, group, directory, image_format, overwrite)
        return
    assert which is not None
    name, text = split(which)
    async with session.engine() as engine:
        listing = await engine.points(name)
        for line in listing.damage:
            session.output.warn(line)
        point = select(name, listing, text)
        targets = targets_of(name, point, directory, pairs("--disk", disks), image_format)
        session.output.say(f"restoring {name} as of {local_time(point.frozen_at)} ({age(point.frozen_at)}), point {point.number}")
        request = Restore(machine=listing.machine.id, point=point.id, format=image_format, targets=targets, overwrite=overwrite)
        with shown(session.output) as progress:
            restored = await engine.restore(request, progress)
    out = session.output
    out.document(restored)
    for disk in restored.disks:
        done = f"{size(disk.written_bytes)} written, {size(disk.zeroed_bytes)} zeroed"
        out.say(f"{disk.name}: {disk.path} ({size(disk.size)}), {_how(disk)}: {done}")
    out.say(f"restored and proven by digest in {duration(restored.seconds)}", style="bold")


def targets_of(machine: str, point: Point, directory: str | None, named: dict[str, str], image_format: ImageFormat) -> dict[str, str]:
    """Disk names to absolute paths: those named, and with a directory all others in it."""
    present = [disk.name for disk in point.disks]
    for disk in named:
        if disk not in present:
            raise NotFound(f"point {point.number} of {machine} has no disk {disk!r}", hint=f"it has {', '.join(present)}")
    if directory is None and not named:
        raise InvalidRequest("nothing says where to restore to", hint="give --to DIR, or --disk NAME=PATH for single disks")
    targets = {} if directory is None else {disk: os.path.join(directory, f"{disk}.{image_format}") for disk in present}
    targets.update(named)
    return {disk: os.path.abspath(path) for disk, path in targets.items()}


def _how(disk: RestoredDisk) -> str:
    if disk.trusted == "known":
        return f"known to hold point {(disk.known_point or '')[:8]}"
    return f"read and compared ({disk.reason})" if disk.trusted == "scan" else "new"
