"""`understudy job cancel`."""

import click

from understudy.cli.completing import job_ids
from understudy.cli.session import Session, asking


@click.command("cancel")
@click.argument("job", shell_complete=job_ids)
@asking
async def command(session: Session, job: str) -> None:
    """Cancel job JOB. What it has done so far stays where it was put; saying the command that began it again goes on there."""
    async with session.daemon.opened() as service:
        cancelled = await service.cancel(job)
    session.output.document(cancelled)
    words = {"cancelled": "is cancelled"}.get(cancelled.state, f"is {cancelled.state}, and ends at its next safe place")
    session.output.say(f"job {cancelled.id} {words}", style="bold")
