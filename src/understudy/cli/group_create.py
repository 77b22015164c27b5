"""`understudy group create`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import CreateGroup


@click.command("create")
@click.argument("name")
@click.argument("machines", nargs=-1, required=True, metavar="MACHINE MACHINE...")
@common
async def command(session: Session, name: str, machines: tuple[str, ...]) -> None:
    """Make group NAME of machines that this host follows."""
    async with session.engine() as engine:
        group = await engine.create_group(CreateGroup(name=name, machines=machines))
    session.output.document(group)
    session.output.say(f"group {group.name}: {', '.join(member.name for member in group.members)}", style="bold")
    session.output.say(f"next: understudy replicate --group {group.name}")
