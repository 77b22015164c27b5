"""`understudy orphan drop`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.orphan_words import kept
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import DropOrphan


@click.command("drop")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@click.argument("orphan", metavar="ORPHAN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, name: str, orphan: str, yes: bool) -> None:
    """Delete ORPHAN of MACHINE for good: nothing else has what is in it."""
    async with session.engine() as engine:
        there = next((one for one in await engine.orphans(name) if one.name == orphan), None)
        if there is not None:
            confirmed(yes, f"{kept(there)} will be gone for good: nothing else has it")
        dropped = await engine.drop_orphan(DropOrphan(machine=name, name=orphan))
    session.output.document(dropped)
    session.output.say(f"{kept(dropped)} is deleted", style="bold")
