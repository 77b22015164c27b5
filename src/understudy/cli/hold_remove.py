"""`understudy hold remove`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import RemoveHold


@click.command("remove")
@click.argument("name", shell_complete=machine_names)
@click.argument("hold")
@common
async def command(session: Session, name: str, hold: str) -> None:
    """Remove HOLD (the beginning of its id) from machine NAME."""
    async with session.engine() as engine:
        removed = await engine.remove_hold(RemoveHold(machine=name, hold=hold))
    session.output.document(removed)
    session.output.say(f"point {removed.number} of {removed.machine} is not held by {removed.id[:8]} any more: {removed.reason}")
