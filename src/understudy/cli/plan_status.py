"""`understudy plan status`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_words import run_told
from understudy.cli.session import Session, asking


@click.command("status")
@click.argument("run", shell_complete=job_ids)
@asking
async def command(session: Session, run: str) -> None:
    """Show how far RUN of a recovery plan is, step by step, and what it waits for."""
    async with session.daemon.opened() as service:
        found = await service.plan_run(run)
    run_told(session.output, found)
