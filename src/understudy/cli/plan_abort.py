"""`understudy plan abort`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_answering import answered
from understudy.cli.session import Session, asking


@click.command("abort")
@click.argument("run", shell_complete=job_ids)
@click.option("--note", default="", help="For the report.")
@asking
async def command(session: Session, run: str, note: str) -> None:
    """Begin nothing more in RUN. Scripts that run are ended, tests are given up, failovers come to their end. What was done stays."""
    await answered(session, run, "abort", "", note)
