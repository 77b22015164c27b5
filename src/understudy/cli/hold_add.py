"""`understudy hold add`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import AddHold


@click.command("add")
@click.argument("which", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.option("reason", "--reason", required=True, help="Why, for whoever finds the hold later.")
@common
async def command(session: Session, which: str, reason: str) -> None:
    """Keep a point: the newest, or the one named."""
    name, text = split(which)
    async with session.engine() as engine:
        listing = await engine.points(name)
        point = select(name, listing, text)
        hold = await engine.add_hold(AddHold(machine=listing.machine.id, point=point.id, reason=reason))
    session.output.document(hold)
    session.output.say(f"point {hold.number} of {hold.machine} is held ({hold.id[:8]}): {hold.reason}")
