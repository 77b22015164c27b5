"""`understudy orphan drop`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import DropOrphan


@click.command("drop")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@click.argument("orphan", metavar="ORPHAN")
@common
async def command(session: Session, name: str, orphan: str) -> None:
    """Delete ORPHAN of MACHINE for good: nothing else has what is in it."""
    async with session.engine() as engine:
        dropped = await engine.drop_orphan(DropOrphan(machine=name, name=orphan))
    session.output.document(dropped)
    session.output.say(f"what images of {dropped.machine} held beyond point {dropped.number or dropped.point[:8]} is deleted", style="bold")
