"""`understudy orphan list`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.orphan_words import how
from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age, size


@click.command("list")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """List what images of MACHINE held beyond a point when they were brought back to it.

    `understudy export MACHINE@POINT --overlay DIRECTORY` shows the disks as they were.
    """
    async with session.engine() as engine:
        found = await engine.orphans(name)
    out = session.output
    out.document(found)
    if not found:
        out.say(f"nothing of {name} was put aside here")
        return
    table = columns("orphan", "point", "made", "state", "takes", "directory", right=("point", "takes"), wrapped=("state", "directory"))
    for one in found:
        point = str(one.number) if one.number else one.point[:8]
        table.add_row(one.name, point, age(one.made_at), how(one), size(one.stored_bytes), one.directory)
    out.table(table)
