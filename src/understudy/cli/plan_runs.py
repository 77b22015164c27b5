"""`understudy plan runs`."""

import click

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import local_time
from understudy.engine.plan_page import reached, seconds


@click.command("runs")
@common
async def command(session: Session) -> None:
    """List runs of recovery plans, oldest first: those that the vault has a report of, and those that go on in the daemon that is asked."""
    async with session.engine() as engine:
        runs = await engine.plan_reports()
    out = session.output
    out.document(runs)
    if not runs:
        out.say("no plan was run yet")
        return
    table = columns("run", "plan", "kind", "state", "asked at", "by", "site", "steps", "RPO", "RTO", right=("steps", "RPO", "RTO"))
    for run in runs:
        state = "waits for a person" if run.asking else run.state
        table.add_row(
            run.id,
            run.plan,
            run.kind or "-",
            state,
            local_time(run.asked_at),
            run.actor,
            run.site,
            f"{run.done}/{run.steps}",
            seconds(run.worst_rpo),
            reached(run.worst_rto, run.worst_rto_waited),
        )
    out.table(table)
