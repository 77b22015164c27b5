"""`understudy plan confirm`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_answering import answered
from understudy.cli.session import Session, asking


@click.command("confirm")
@click.argument("run", shell_complete=job_ids)
@click.argument("step", required=False, default="")
@click.option("--note", default="", help="For the report.")
@asking
async def command(session: Session, run: str, step: str, note: str) -> None:
    """Say that what STEP of RUN waits for is done: a manual step, or a script of which nobody knew whether it had come to its
    end. STEP may be left out where one alone waits.
    """
    await answered(session, run, "confirm", step, note)
