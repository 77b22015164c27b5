"""`understudy definition show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Show what machine NAME is started from, as `definition set` takes it."""
    async with session.engine() as engine:
        shown = await engine.definition(name)
    out = session.output
    out.document(shown)
    where = "given by an operator" if shown.given else f"captured with point {shown.point[:8]}"
    out.say(f"# {shown.machine}: {where}")
    out.say(shown.text)
