"""`understudy group remove`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("remove")
@click.argument("name")
@common
async def command(session: Session, name: str) -> None:
    """Forget group NAME. Its machines and all their points stay."""
    async with session.engine() as engine:
        group = await engine.remove_group(name)
    session.output.document(group)
    session.output.say(f"removed group {group.name}; {', '.join(member.name for member in group.members)} and their points stay")
