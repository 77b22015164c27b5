"""`understudy plan skip`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_answering import answered
from understudy.cli.session import Session, asking


@click.command("skip")
@click.argument("run", shell_complete=job_ids)
@click.argument("step", required=False, default="")
@click.option("--note", default="", help="For the report.")
@asking
async def command(session: Session, run: str, step: str, note: str) -> None:
    """Go on in RUN without STEP, which failed or waits. A run that leaves a machine out fails in the end. STEP may be
    left out where one alone waits.
    """
    await answered(session, run, "skip", step, note)
