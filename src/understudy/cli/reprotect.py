"""`understudy reprotect`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import Reprotect


@click.command("reprotect")
@click.argument("name", shell_complete=machine_names)
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, name: str, yes: bool) -> None:
    """Replicate machine NAME, whose failover to this site was committed, from here: the first point holds what changed since.

    Its former site is asked to become its stand-in, and does so when it can: if the machine's VM stands there still, paused, it is ended,
    and what its disks hold beyond the point of the failover is put aside.
    """
    async with session.daemon.opened() as service:
        what = "if its VM stands at its former site still, that is ended, with what is in its memory alone"
        confirmed(yes, f"{name} is replicated from here; {what}")
        with shown(session.output) as progress:
            done = await service.reprotect(Reprotect(machine=name), progress)
    told(session.output, done, f"{done.machine} is replicated from here")
