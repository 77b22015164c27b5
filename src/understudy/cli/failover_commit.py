"""`understudy failover commit`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import CommitFailover


@click.command("commit")
@click.argument("name", shell_complete=machine_names)
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, name: str, yes: bool) -> None:
    """Accept the failover of machine NAME to this site: its disks become images of this host, while it runs.

    There is no way back then but another failover.
    """
    async with session.daemon.opened() as service:
        confirmed(yes, f"{name} stays at this site; another point cannot be chosen afterwards")
        with shown(session.output) as progress:
            done = await service.commit_failover(CommitFailover(machine=name), progress)
    told(session.output, done, f"{done.machine} stays at site {done.site}")
    session.output.say(f"it is not replicated yet: understudy reprotect {name}")
