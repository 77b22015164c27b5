"""`understudy export`."""

import os

import click

from understudy.cli.completing import machine_names
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age, local_time, size
from understudy.engine import StartExport
from understudy.errors import InvalidRequest


@click.command("export")
@click.argument("which", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.option("--name", metavar="EXPORT", help="What it is called here; else NAME-NUMBER.")
@click.option("--overlay", metavar="DIR", help="Let clients write: what they write is kept in DIR, and the point stays as it is.")
@click.option("--listen", metavar="WHERE", help="A socket's path, or HOST:PORT with --tls; else a socket in the state directory.")
@click.option("--tls", metavar="DIR", help="server-cert.pem, server-key.pem, and ca-cert.pem, whose certificates clients must have.")
@common
async def command(session: Session, which: str, name: str | None, overlay: str | None, listen: str | None, tls: str | None) -> None:
    """Serve the disks of a recovery point over NBD, at once and without a restore.

    A process of its own serves them until `understudy unexport`; the point is held so long. With an overlay that process may be
    killed and this command said again: what clients had flushed is there.
    """
    from understudy.app import start_export

    session.must_name_a_vault("an export")
    _must_have_a_place(_path(overlay))
    machine, text = split(which)
    async with session.engine() as engine:
        listing = await engine.points(machine)
        point = select(machine, listing, text)
    request = StartExport(
        name=name or f"{listing.machine.name}-{point.number}",
        machine=listing.machine.id,
        point=point.id,
        overlay=_path(overlay),
        listen=_place(listen),
        tls=_path(tls),
    )
    export = await start_export(session.connection(), request)
    out = session.output
    out.document(export)
    what = "for reading" if not export.overlay else f"what is written is kept in {export.overlay}"
    out.say(
        f"{export.name}: {machine} as of {local_time(point.frozen_at)} ({age(point.frozen_at)}), point {point.number}; {what}", style="bold"
    )
    for disk in export.disks:
        out.say(f"  {disk.name} ({size(disk.size)}): {disk.uri}")


def _path(given: str | None) -> str:
    return os.path.abspath(given) if given else ""


def _place(listen: str | None) -> str:
    """A path has a slash; what has none and a colon is a host and a port."""
    return listen if listen and ":" in listen and "/" not in listen else _path(listen)


def _must_have_a_place(overlay: str) -> None:
    """The directory itself is made, what it is in is not: that would be on another file system than was meant."""
    parent = os.path.dirname(overlay)
    if overlay and not os.path.isdir(parent):
        raise InvalidRequest(
            f"there is no directory {parent} for the overlay", hint="check --overlay, and what is mounted there; or make it"
        )
