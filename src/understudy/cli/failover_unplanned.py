"""`understudy failover unplanned`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.failover_words import confirmed, told
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session, asking
from understudy.cli.words import local_time
from understudy.engine import FailOver


@click.command("unplanned")
@click.argument("point", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.option("--force", is_flag=True, help="Do not wait until its site must have paused it; go on though the fence command failed.")
@click.option("--reason", default="", metavar="TEXT", help="For the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, point: str, force: bool, reason: str, yes: bool) -> None:
    """Start machine NAME here, from its newest point or from POINT, since its site is lost.

    What was written there after the point is lost, unless that site comes back. It cannot append points any more, and pauses the machine
    when it learns of this; where neither a fence command nor isolation is set, it may run there until then.
    """
    name, text = split(point)
    async with session.daemon.opened() as service:
        where = await service.authority(name)
        listing = await service.engine.points(name)
        chosen = select(name, listing, text)
        unsafe = "" if where.isolation_seconds else f"; nothing makes sure that it does not run at {where.site} still"
        what = f"{where.machine} will be started here from point {chosen.number}, frozen at {local_time(chosen.frozen_at)}{unsafe}"
        confirmed(yes, what)
        order = FailOver(machine=name, mode="unplanned", point="" if text == "latest" else chosen.id, force=force, reason=reason)
        with shown(session.output) as progress:
            done = await service.fail_over(order, progress)
    told(session.output, done, f"{done.machine} runs here, at site {done.site} (epoch {done.epoch})")
    session.output.say(f"look at it, then: understudy failover commit {name}; or take another point: failover change-point {name}@POINT")
