"""`understudy failover change-point`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.failover_words import told
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session, asking
from understudy.cli.words import local_time
from understudy.engine import ChangePoint
from understudy.errors import InvalidRequest


@click.command("change-point")
@click.argument("point", metavar="NAME@POINT", shell_complete=machine_names)
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
async def command(session: Session, point: str, yes: bool) -> None:
    """End machine NAME, which was failed over to this site, and start it from POINT instead. What it wrote here is kept aside."""
    name, text = split(point)
    if "@" not in point:
        raise InvalidRequest("no point is named", hint=f"`understudy points {name}` lists them: NAME@POINT")
    async with session.daemon.opened() as service:
        chosen = select(name, await service.engine.points(name), text)
        what = f"{name} will be ended here at once and started from point {chosen.number}, frozen at {local_time(chosen.frozen_at)}"
        confirmed(yes, what)
        with shown(session.output) as progress:
            done = await service.change_point(ChangePoint(machine=name, point=chosen.id), progress)
    told(session.output, done, f"{done.machine} runs here from point {done.number} (epoch {done.epoch})")
