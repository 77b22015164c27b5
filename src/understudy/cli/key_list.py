"""`understudy vault key list`."""

import click

from understudy.cli.keys_table import keys_shown
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("list")
@common
async def command(session: Session) -> None:
    """List the keys of a vault; a star marks the one in use."""
    async with session.engine() as engine:
        keys = await engine.keys()
    session.output.document(keys)
    keys_shown(session.output, keys)
