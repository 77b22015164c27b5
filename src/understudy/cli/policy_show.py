"""`understudy policy show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.policy_words import policy_told
from understudy.cli.session import Session, asking


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@asking
async def command(session: Session, name: str) -> None:
    """Show how machine NAME is replicated."""
    async with session.daemon.opened() as service:
        status = await service.status(name)
    session.output.document(status.policy)
    policy_told(session.output, status)
