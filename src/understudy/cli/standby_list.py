"""`understudy standby list`."""

import click

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.standby_words import at_point, lag, state
from understudy.cli.words import age
from understudy.engine.units import count


@click.command("list")
@common
async def command(session: Session) -> None:
    """List the standbys that this host keeps."""
    async with session.engine() as engine:
        found = await engine.standbys()
    out = session.output
    out.document(found)
    if not found:
        out.say("this host keeps no standby")
        return
    table = columns("machine", "state", "point", "frozen", "behind", "images", right=("point",), wrapped=("state",))
    for one in found:
        frozen = age(one.frozen_at) if one.frozen_at is not None else "-"
        table.add_row(one.machine, state(one), at_point(one), frozen, lag(one), count(len(one.disks), "image"))
    out.table(table)
    for one in found:
        if one.why:
            out.warn(f"{one.machine}: {one.why}")
