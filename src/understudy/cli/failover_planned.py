"""`understudy failover planned`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import FailOver


@click.command("planned")
@click.argument("name", shell_complete=machine_names)
@click.option("--force", is_flag=True, help="End a guest that does not shut down, and overrule findings that forbid a start here.")
@click.option("--reason", default="", metavar="TEXT", help="For the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, name: str, force: bool, reason: str, yes: bool) -> None:
    """Shut machine NAME down at its site, send its last changes, and start it here. Nothing is lost.

    It runs on there if anything goes wrong before it has shut down. Until the commit it can go back: `understudy failover cancel`.
    """
    async with session.daemon.opened() as service:
        where = await service.authority(name)
        confirmed(yes, f"{where.machine} will be shut down at site {where.site} and started here")
        with shown(session.output) as progress:
            done = await service.fail_over(FailOver(machine=name, mode="planned", force=force, reason=reason), progress)
    told(session.output, done, f"{done.machine} runs here, at site {done.site} (epoch {done.epoch})")
    session.output.say(f"look at it, then: understudy failover commit {name}")
