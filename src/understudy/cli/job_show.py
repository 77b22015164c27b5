"""`understudy job show`."""

import json

import click

from understudy.cli.completing import job_ids
from understudy.cli.job_words import STYLES, how_far, what
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.cli.words import NANOSECONDS, local_time
from understudy.engine.units import duration


@click.command("show")
@click.argument("job", shell_complete=job_ids)
@click.option("--wait", is_flag=True, help="Stay until it has ended, and show its progress.")
@asking
async def command(session: Session, job: str, wait: bool) -> None:
    """Show job JOB: what it is, how far, its steps, and how it ended."""
    async with session.daemon.opened() as service:
        found = await service.job(job)
        names = {status.id: status.name for status in await service.statuses()}
        if wait:
            with shown(session.output) as progress:
                found = await service.waited_for(found, progress)
    out = session.output
    out.document(found)
    machine = f" of {names.get(found.machine, found.machine)}" if found.machine else ""
    out.say(f"job {found.id}: {what(found)}{machine}, asked for by {found.actor} at {local_time(found.created_at)}", style="bold")
    out.say(f"{found.state}{', begun ' + str(found.attempts) + ' times' if found.attempts > 1 else ''}", style=STYLES[found.state])
    for step in found.steps:
        took = "" if step.ended_at is None else f", {duration((step.ended_at - step.began_at) / NANOSECONDS)}"
        out.say(f"  {local_time(step.began_at)} {step.name}{took}")
    if found.error is not None:
        out.say(found.error.message, style="red")
        out.say(found.error.hint)
    elif how_far(found):
        out.say(how_far(found))
    if found.result is not None:
        out.say(json.dumps(found.result, indent=2, ensure_ascii=False))
