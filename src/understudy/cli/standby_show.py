"""`understudy standby show`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.standby_words import holds, line, proven


@click.command("show")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Show the images that this host keeps of MACHINE, and what they hold."""
    async with session.engine() as engine:
        found = await engine.standby(name)
    out = session.output
    out.document(found)
    out.say(f"{found.machine}: {line(found)}", style="bold")
    table = columns("disk", "image", "format", "holds", "proven", wrapped=("image", "holds"))
    for disk in found.disks:
        table.add_row(disk.name, disk.path, disk.format, holds(disk), proven(disk))
    out.table(table)
    for path in found.former:
        out.say(f"{path} is of a disk that {found.machine} has no more; it is left as it is")
