"""`understudy plan show`."""

import click

from understudy.cli.plan_words import safe
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("show")
@click.argument("name")
@common
async def command(session: Session, name: str) -> None:
    """Print recovery plan NAME as it was set; into a file it can be changed, and set again."""
    async with session.engine() as engine:
        shown = await engine.plan(name)
    session.output.document(shown)
    session.output.say(safe(shown.text.rstrip("\n")))
