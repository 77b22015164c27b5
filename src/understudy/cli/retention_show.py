"""`understudy retention show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.retention_words import policy_words
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Show machine NAME's policy."""
    async with session.engine() as engine:
        shown = await engine.retention(name)
    session.output.document(shown)
    session.output.say(policy_words(shown.machine, shown.policy))
