"""`understudy failover drop`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.session import Session, asking


@click.command("drop")
@click.argument("name", shell_complete=machine_names)
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, name: str, run: str, yes: bool) -> None:
    """Drop what RUN of machine NAME wrote, which was given up when another point was taken, or the failover cancelled.

    `understudy failover show` lists such runs as kept aside. Their overlays lie in the state directory, and hold their points in the vault.
    """
    async with session.daemon.opened() as service:
        confirmed(yes, f"what run {run} of {name} wrote will be gone for good")
        shown = await service.drop_run(name, run)
    session.output.document(shown)
    session.output.say(f"run {run} of {shown.machine} is dropped", style="bold")
