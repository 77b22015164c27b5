"""`understudy network show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.network_words import networks_told
from understudy.cli.session import Session, asking


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@asking
async def command(session: Session, name: str) -> None:
    """Show what machine NAME would be joined to here, in a failover and in a test, and what is in the way of it now."""
    async with session.daemon.opened() as service:
        shown = await service.networks(name)
    session.output.document(shown)
    networks_told(session.output, shown)
