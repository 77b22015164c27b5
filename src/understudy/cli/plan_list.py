"""`understudy plan list`."""

import click

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age


@click.command("list")
@common
async def command(session: Session) -> None:
    """List the vault's recovery plans."""
    async with session.engine() as engine:
        plans = await engine.plans()
    out = session.output
    out.document(plans)
    if not plans:
        out.say("no recovery plans")
        return
    table = columns("plan", "groups", "machines", "revision", "set", "by", "", right=("groups", "machines", "revision"), wrapped=("",))
    for plan in plans:
        counted = ("-", "-") if plan.problem else (str(plan.groups), str(plan.machines))
        table.add_row(plan.name, *counted, str(plan.revision), age(plan.set_at), plan.set_by, plan.problem or plan.description)
    out.table(table)
