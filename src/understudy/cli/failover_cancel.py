"""`understudy failover cancel`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import taken_back, told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import CancelFailover


@click.command("cancel")
@click.argument("name", shell_complete=machine_names)
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, name: str, yes: bool) -> None:
    """Let machine NAME go on where it was before its failover. What it wrote here since is kept aside, and is not there."""
    async with session.daemon.opened() as service:
        where = await service.authority(name)
        if where.phase == "failed_over" and where.failover is not None:
            confirmed(yes, taken_back(where, where.failover.before))
        with shown(session.output) as progress:
            done = await service.cancel_failover(CancelFailover(machine=name), progress)
    told(session.output, done, f"{done.machine} goes on at site {done.site}")
