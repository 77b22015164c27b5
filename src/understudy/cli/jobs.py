"""`understudy jobs`."""

import time
from typing import get_args

import click
from rich.text import Text

from understudy.cli.completing import machine_names
from understudy.cli.job_words import STYLES, how_far, what
from understudy.cli.output import columns
from understudy.cli.session import Session, asking
from understudy.cli.words import age
from understudy.engine import JobQuery, JobState


@click.command("jobs")
@click.argument("machine", metavar="[NAME]", required=False, shell_complete=machine_names)
@click.option("states", "--state", multiple=True, type=click.Choice(get_args(JobState)), help="Only jobs in this state; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many at most.")
@asking
async def command(session: Session, machine: str | None, states: tuple[JobState, ...], limit: int) -> None:
    """List the daemon's long operations, the newest first: of machine NAME, or of all."""
    async with session.daemon.opened() as service:
        jobs = await service.jobs(JobQuery(machine=machine, states=states, limit=limit))
        names = {status.id: status.name for status in await service.statuses()}
    out = session.output
    out.document(jobs)
    if not jobs:
        out.say("no job")
        return
    now = time.time_ns()
    table = columns("job", "what", "machine", "state", "how far", "begun", "by", wrapped=("how far",))
    for job in jobs:
        machine_name = names.get(job.machine, job.machine[:8]) if job.machine else "-"
        table.add_row(
            job.id,
            what(job),
            machine_name,
            Text(job.state, style=STYLES[job.state]),
            how_far(job),
            age(job.started_at or job.created_at, now),
            job.actor,
        )
    out.table(table)
