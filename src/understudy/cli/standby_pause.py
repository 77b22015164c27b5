"""`understudy standby pause`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import SetStandby


@click.command("pause")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Leave MACHINE's images at the point where they are; that point is held."""
    async with session.engine() as engine:
        found = await engine.set_standby(SetStandby(machine=name, paused=True))
    session.output.document(found)
    session.output.say(f"the standby of {found.machine} rests at point {found.number}, which is held", style="bold")
