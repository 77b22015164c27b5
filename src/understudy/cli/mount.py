"""`understudy mount`."""

import os

import click

from understudy.cli.completing import machine_names
from understudy.cli.mount_words import told
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import Point, StartMount
from understudy.errors import InvalidRequest

NOTHING = 1


@click.command("mount")
@click.argument("which", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.argument("directory", metavar="[DIRECTORY]", required=False, type=click.Path(file_okay=False))
@click.option("--disk", "disks", multiple=True, metavar="DISK", help="This disk only. May be repeated.")
@click.option("--name", metavar="MOUNT", help="What it is called here; else NAME-NUMBER.")
@common
async def command(session: Session, which: str, directory: str | None, disks: tuple[str, ...], name: str | None) -> None:
    """Show the files of a recovery point, to get single ones back. Needs root.

    The files of each disk are in DIRECTORY/DISK/pN for its partition N, or in DIRECTORY/DISK/files where it has none; without a
    DIRECTORY, in one that is named. They can be read and not changed. DIRECTORY/DISK/disk.raw is the whole disk, for all
    that is not a file system that this host's kernel knows; what is written to it is gone with the mount.

    Symbolic links are not followed, since many would lead to this host's own files.

    The mount stays until `understudy unmount`, and the point is held so long. Where a part of it has died, the same command
    again brings it back. The exit code is 1 if there are disks, but no file system that can be shown.
    """
    from understudy.app import must_be_able_to_mount, start_mount

    session.must_name_a_vault("a mount")
    must_be_able_to_mount()
    machine, text = split(which)
    async with session.engine() as engine:
        listing = await engine.points(machine)
        point = select(machine, listing, text)
    absent = sorted(set(disks).difference(_names(point)))
    if absent:
        raise InvalidRequest(f"point {point.number} has no disk {', '.join(absent)}", hint=f"it has {', '.join(_names(point))}")
    request = StartMount(
        name=name or f"{listing.machine.name}-{point.number}",
        machine=listing.machine.id,
        title=listing.machine.name,
        point=point.id,
        number=point.number,
        frozen_at=point.frozen_at,
        directory=_absolute(directory),
        disks=tuple(dict.fromkeys(disks)),
    )
    mount = await start_mount(session.connection(), request)
    session.output.document(mount)
    told(session.output, mount)
    if not any(volume.path for volume in mount.volumes):
        raise click.exceptions.Exit(NOTHING)


def _names(point: Point) -> list[str]:
    return [disk.name for disk in point.disks]


def _absolute(directory: str | None) -> str:
    return os.path.abspath(directory) if directory else ""
