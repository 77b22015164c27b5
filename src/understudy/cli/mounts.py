"""`understudy mounts`."""

import click

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age


@click.command("mounts")
@common
async def command(session: Session) -> None:
    """List the points whose files are shown on this host."""
    from understudy.app import mounts

    found = mounts(session.state_dir)
    out = session.output
    out.document(found)
    if not found:
        out.say("nothing is mounted here")
        return
    table = columns("mount", "machine", "point", "frozen", "state", "directory", right=("point",), wrapped=("directory",))
    for mount in found:
        table.add_row(
            mount.name,
            mount.machine,
            str(mount.number or ""),
            age(mount.frozen_at) if mount.frozen_at else "",
            mount.state,
            mount.directory,
        )
    out.table(table)
    for mount in found:
        if not mount.machine:
            out.say(f"{mount.name}: {mount.why}")
        elif mount.why:
            out.say(f"{mount.name}: {mount.why}; `understudy mount {mount.machine}@{mount.number} …` said again brings it back")
            out.say(f"  `understudy unmount {mount.name}` ends it")
