"""`understudy standby resume`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import SetStandby


@click.command("resume")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Let MACHINE's images follow it again."""
    async with session.engine() as engine:
        found = await engine.set_standby(SetStandby(machine=name, paused=False))
    session.output.document(found)
    session.output.say(f"the standby of {found.machine} follows again", style="bold")
