"""`understudy failover start`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.failover_words import told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import StartAgain


@click.command("start")
@click.argument("name", shell_complete=machine_names)
@asking
async def command(session: Session, name: str) -> None:
    """Start machine NAME again, which was failed over to this site and has ended since: after this host was rebooted, say.

    Nothing does that by itself. It is started from what its disks hold, and only if this site is its primary still.
    """
    async with session.daemon.opened() as service:
        with shown(session.output) as progress:
            done = await service.start_again(StartAgain(machine=name), progress)
    told(session.output, done, f"{done.machine} runs here, at site {done.site} (epoch {done.epoch})")
