"""`understudy plan check`."""

from typing import get_args

import click

from understudy.cli.plan_words import checked_told
from understudy.cli.session import Session, asking
from understudy.engine import PlanKind, PlanPoint, RunPlan


@click.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(get_args(PlanKind)), default="test", show_default=True, help="What the run would be.")
@click.option("--point", type=click.Choice(get_args(PlanPoint)), default="latest", show_default=True, help="From which points.")
@asking
async def command(session: Session, name: str, kind: PlanKind, point: PlanPoint) -> None:
    """A dry run of recovery plan NAME: every step, the point that each machine would be started from, and what would keep it from it.
    Changes nothing. Ends with 4 if something would.
    """
    async with session.daemon.opened() as service:
        found = await service.check_plan(RunPlan(plan=name, kind=kind, point=point))
    checked_told(session.output, found)
