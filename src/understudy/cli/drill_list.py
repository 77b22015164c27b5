"""`understudy drill list`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.drill_words import outcome
from understudy.cli.output import columns
from understudy.cli.session import Session, asking
from understudy.cli.words import local_time
from understudy.engine.units import duration


@click.command("list")
@click.argument("name", required=False, shell_complete=machine_names)
@asking
async def command(session: Session, name: str | None) -> None:
    """List this site's test failovers, of machine NAME or of all, newest first."""
    async with session.daemon.opened() as service:
        drills = await service.drills(name)
    out = session.output
    out.document(drills)
    if not drills:
        out.say(f"no point of {name} was ever tested here" if name else "nothing was ever tested here")
        return
    table = columns("test", "machine", "point", "asked for at", "running after", "outcome", "note", right=("point",), wrapped=("note",))
    for drill in drills:
        after = "" if drill.running_after is None else duration(drill.running_after)
        table.add_row(drill.id[:8], drill.machine, str(drill.number), local_time(drill.asked_at), after, outcome(drill), drill.note)
    out.table(table)
