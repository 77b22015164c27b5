"""`understudy exports`."""

import click

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age


@click.command("exports")
@common
async def command(session: Session) -> None:
    """List the points that this host serves over NBD."""
    from understudy.app import exports

    found = exports(session.state_dir)
    out = session.output
    out.document(found)
    if not found:
        out.say("nothing is exported here")
        return
    table = columns("export", "machine", "point", "frozen", "state", "overlay", "disks", right=("point",), wrapped=("overlay", "disks"))
    for export in found:
        state = f"serving ({export.pid})" if export.state == "serving" else export.state
        frozen = age(export.frozen_at) if export.frozen_at else ""
        uris = " ".join(disk.uri for disk in export.disks)
        table.add_row(export.name, export.machine, str(export.number or ""), frozen, state, export.overlay, uris)
    out.table(table)
    for export in found:
        if export.why:
            out.say(f"{export.name}: {export.why}")
