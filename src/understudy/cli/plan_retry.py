"""`understudy plan retry`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_answering import answered
from understudy.cli.session import Session, asking


@click.command("retry")
@click.argument("run", shell_complete=job_ids)
@click.argument("step", required=False, default="")
@click.option("--note", default="", help="For the report.")
@asking
async def command(session: Session, run: str, step: str, note: str) -> None:
    """Do STEP of RUN, which failed, once more. STEP may be left out where one alone waits."""
    await answered(session, run, "retry", step, note)
