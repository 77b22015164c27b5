"""`understudy plan remove`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("remove")
@click.argument("name")
@common
async def command(session: Session, name: str) -> None:
    """Remove recovery plan NAME from the vault. Runs that go on, and reports, stay."""
    async with session.engine() as engine:
        removed = await engine.remove_plan(name)
    session.output.document(removed)
    session.output.say(f"removed plan {removed.name}; the reports of its runs stay")
