"""`understudy plan remove`."""

import click

from understudy.cli.confirming import confirmed
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, name: str, yes: bool) -> None:
    """Remove recovery plan NAME from the vault. Runs that go on, and reports, stay."""
    async with session.engine() as engine:
        shown = await engine.plan(name)
        confirmed(yes, f"recovery plan {shown.name} will be gone from the vault: `understudy plan show {shown.name}` prints it to keep it")
        removed = await engine.remove_plan(name)
    session.output.document(removed)
    session.output.say(f"removed plan {removed.name}; the reports of its runs stay")
