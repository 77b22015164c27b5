"""`understudy plan status`."""

from typing import TYPE_CHECKING

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_words import run_told
from understudy.cli.session import Session, asking
from understudy.errors import NotFound

if TYPE_CHECKING:
    from understudy.client import RemoteService


@click.command("status")
@click.argument("run", required=False, shell_complete=job_ids)
@asking
async def command(session: Session, run: str | None) -> None:
    """Show how far RUN of a recovery plan is, step by step, and what it waits for; without RUN, the one that goes on, or was the last."""
    async with session.daemon.opened() as service:
        found = await service.plan_run(run or await _newest(service))
    run_told(session.output, found)


async def _newest(service: "RemoteService") -> str:
    runs = await service.engine.plan_reports()
    if not runs:
        raise NotFound("no plan was run yet", hint="`understudy plan list` shows the plans that there are")
    return max(runs, key=lambda run: (run.state == "running", run.asked_at)).id
