"""`understudy failover unplanned`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import held_by, lacking, told
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session, asking
from understudy.cli.words import local_time
from understudy.engine import FailOver
from understudy.engine.drills import LATEST_PROCESSED
from understudy.errors import InvalidRequest


@click.command("unplanned")
@click.argument("point", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.option("--latest-processed", is_flag=True, help="From the point that this site's standby image holds, and not the newest.")
@click.option("--force", is_flag=True, help="Do not wait until its site must have paused it; go on though the fence command failed.")
@click.option("--reason", default="", metavar="TEXT", help="For the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, point: str, latest_processed: bool, force: bool, reason: str, yes: bool) -> None:
    """Start machine NAME here, from its newest point or from POINT, since its site is lost.

    What was written there after the point is lost, unless that site comes back. It cannot append points any more, and pauses the machine
    when it learns of this; where neither a fence command nor isolation is set, it may run there until then.
    """
    name, text = split(point)
    if latest_processed and "@" in point:
        raise InvalidRequest("two points are named", hint="name one: NAME@POINT or --latest-processed")
    async with session.daemon.opened() as service:
        where = await service.authority(name)
        listing = await service.engine.points(name)
        newest, chosen = select(name, listing, "latest"), select(name, listing, text)
        wanted, start = "" if text == "latest" else chosen.id, f"point {chosen.number}, frozen at {local_time(chosen.frozen_at)}"
        if latest_processed:
            wanted, start = LATEST_PROCESSED, held_by(await service.engine.standby(name), newest)
        elif chosen.number < newest.number:
            start += lacking(chosen.frozen_at, newest)
        doubt = f"; unless a fence command is set up here, nothing makes sure that it does not run at {where.site} still"
        unsafe = "" if where.isolation_seconds else doubt
        confirmed(yes, f"{where.machine} will be started here from {start}{unsafe}")
        order = FailOver(machine=name, mode="unplanned", point=wanted, force=force, reason=reason)
        with shown(session.output) as progress:
            done = await service.fail_over(order, progress)
    told(session.output, done, f"{done.machine} runs here, at site {done.site} (epoch {done.epoch})")
    session.output.say(f"look at it, then: understudy failover commit {name}; or take another point: failover change-point {name}@POINT")
