"""`understudy failover show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking
from understudy.cli.words import local_time
from understudy.engine import Authority, FailoverEntry

_PHASES = {
    "unprotected": "nothing protects it",
    "initial_replication": "it has no recovery point yet",
    "protected": "protected",
    "failing_over": "a planned failover is under way",
    "failed_over": "failed over, and that is not committed",
    "committed": "failed over and committed; it is not replicated since",
    "reprotecting": "failed over and committed; its replication from there has begun, and its first point is not made yet",
}


@click.command("show")
@click.argument("name", shell_complete=machine_names)
@asking
async def command(session: Session, name: str) -> None:
    """Show where machine NAME stands between protection and failover, who runs it, and what can be done here now."""
    async with session.daemon.opened() as service:
        found = await service.authority(name)
    out = session.output
    out.document(found)
    out.say(f"{found.machine}: {_PHASES[found.phase]}", style="bold")
    out.say(f"primary: site {found.site}{' (this one)' if found.primary else ''}, epoch {found.epoch}")
    if found.isolation_seconds:
        out.say(f"isolation: it is paused after {found.isolation_seconds} s without the vault")
    for line in past(found):
        out.say(line)
    if found.under_way:
        out.warn(found.under_way)
    for stood in found.stood_down:
        said = f"site {stood.site} at {local_time(stood.at)}: {stood.text}"
        if stood.running:
            out.warn(f"it may run on two sites: {said}")
        else:
            out.say(said)
    for run in found.runs:
        below = f", reads {', '.join(run.below)} from below" if run.below else ""
        kept = f"what it wrote beyond point {run.point[:8]} is kept aside, until `understudy failover drop {found.machine} {run.run}`"
        out.say(f"run {run.run}: {kept if run.kept else f'{run.status}{below}'}{f' ({run.reason})' if run.reason else ''}")
    out.say(f"possible here: {', '.join(found.allowed) or 'nothing'}")


def past(found: Authority) -> list[str]:
    """What was done, and asked for, in the present epoch."""
    lines = []
    if found.failover is not None:
        lines.append(_begun(found.failover))
    for asked in found.requests:
        words = f"{asked.outcome or 'not answered'}{f': {asked.text}' if asked.text else ''}"
        lines.append(f"asked of {asked.site} by {asked.by} at {local_time(asked.at)}: {asked.action}, {words}")
    return lines


def _begun(entry: FailoverEntry) -> str:
    why = f" ({entry.reason})" if entry.reason else ""
    when, point = local_time(entry.at), f"point {entry.point[:8]}"
    if entry.mode == "cancel":
        return f"failover: cancelled at {when}{why}; it goes on at site {entry.site}, from {point}"
    accepted = f"committed at {local_time(entry.committed_at)}" if entry.committed_at else "not committed"
    how = {"": "by hand", "change": "another point taken"}.get(entry.mode, entry.mode)
    return f"failover: {how}, from site {entry.before} to {entry.site} at {when}{why}, from {point}, {accepted}"
