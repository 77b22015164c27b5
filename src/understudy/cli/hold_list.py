"""`understudy hold list`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("list")
@click.argument("name", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """List the holds on machine NAME's points."""
    async with session.engine() as engine:
        holds = await engine.holds(name)
    out = session.output
    out.document(holds)
    if not holds:
        out.say(f"nothing of {name} is held")
        return
    table = columns("hold", "point", "reason", right=("point",), wrapped=("reason",))
    for hold in holds:
        table.add_row(hold.id[:8], str(hold.number) if hold.number else hold.point[:8], hold.reason)
    out.table(table)
