"""`understudy seed export`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import SeedExport
from understudy.engine.units import count, duration


@click.command("export")
@click.argument("which", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.argument("directory", metavar="DIR", type=click.Path(resolve_path=True))
@common
async def command(session: Session, which: str, directory: str) -> None:
    """Put a machine's point (the newest, or the one named) into DIR.

    DIR is then a vault of its own, which opens with the same keys: it can be restored from, or brought into an empty place
    with `seed import`. Of a machine without any point, on the host that follows it: the initial replication goes to DIR
    instead of the vault; `seed import` brings it there, and the next `replicate` makes the point. Repeat it if it is killed.
    """
    name, text = split(which)
    async with session.engine() as engine:
        listing = await engine.points(name)
        initial = not listing.points and "@" not in which
        point = None if initial else select(name, listing, text)
        request = SeedExport(machine=listing.machine.id, point=point.id if point else None, directory=directory)
        with shown(session.output) as progress:
            done = await engine.export_seed(request, progress)
    out = session.output
    out.document(done)
    what = f"point {point.number} of {name}" if point else f"the initial replication of {name}"
    out.say(
        f"{what} is in {done.directory}: {count(done.objects, 'object')}, {done.copied} of them new ({size(done.copied_bytes)}), "
        f"in {duration(done.seconds)}",
        style="bold",
    )
    out.say(f"where the vault is: understudy seed import {directory}")
