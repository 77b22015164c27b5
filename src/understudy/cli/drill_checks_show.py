"""`understudy drill checks show`."""

import click

from understudy.cli.check_words import checks_told
from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@asking
async def command(session: Session, name: str) -> None:
    """Show how a copy of machine NAME is known to be well."""
    async with session.daemon.opened() as service:
        checks = await service.checks(name)
    session.output.document(checks)
    checks_told(session.output, checks)
