"""`understudy prune`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed, is_asked
from understudy.cli.output import columns
from understudy.cli.retention_words import policy_words
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import local_time
from understudy.engine import Prune
from understudy.engine.units import count


@click.command("prune")
@click.argument("name", shell_complete=machine_names)
@click.option("dry_run", "--dry-run", is_flag=True, help="Only say what would be dropped.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, name: str, dry_run: bool, yes: bool) -> None:
    """Drop those points of machine NAME that its policy does not keep, and explain every decision.

    A dropped point can no longer be restored. The space that nothing else needs comes back when it is collected. At a terminal it asks.
    """
    async with session.engine() as engine:
        if not dry_run and is_asked(yes):
            going = [point for point in (await engine.prune(Prune(machine=name, dry_run=True))).points if not point.keep]
            if going:
                what = f"{count(len(going), 'point')} of {name} will be dropped, and can be restored no more"
                confirmed(yes, f"{what}: `understudy prune {name} --dry-run` shows which, and why")
        done = await engine.prune(Prune(machine=name, dry_run=dry_run))
    out = session.output
    out.document(done)
    out.say(policy_words(done.machine, done.policy))
    goes = "would go" if dry_run else "dropped"
    table = columns("point", "id", "frozen at", "", "because", right=("point",), wrapped=("because",))
    for point in done.points:
        decision = "stays" if point.keep else goes
        table.add_row(str(point.number), point.id[:8], local_time(point.frozen_at)[:-4], decision, "; ".join(point.reasons))
    if done.points:
        out.table(table)
    kept = sum(point.keep for point in done.points)
    out.say(f"{count(kept, 'point')} {'stays' if kept == 1 else 'stay'}, {len(done.points) - kept} {goes}", style="bold")
