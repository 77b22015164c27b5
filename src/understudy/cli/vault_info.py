"""`understudy vault info`."""

import click
from rich.table import Table

from understudy.cli.keys_table import keys_shown
from understudy.cli.output import columns
from understudy.cli.second_words import place_words
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age
from understudy.engine import Machine


@click.command("info")
@common
async def command(session: Session) -> None:
    """Show what is in a place: a vault, or a copy of one, promoted or given up; its machines and keys."""
    async with session.engine() as engine:
        info = await engine.vault()
    out = session.output
    out.document(info)
    out.say(f"vault {info.id} at {info.url}", style="bold")
    if (what := place_words(info.place)) is not None:
        out.say(what, style="yellow")
    out.say(f"opened as {info.role} {info.identity!r}")
    out.say()
    keys_shown(out, info.keys)
    out.say()
    if not info.machines:
        out.say("no machine is protected yet")
    else:
        out.table(_machines(info.machines))
    for line in info.damage:
        out.warn(line)


def _machines(machines: tuple[Machine, ...]) -> Table:
    table = columns("machine", "id", "points", "newest", "site", "epoch", right=("points", "epoch"))
    for machine in machines:
        newest = age(machine.newest.frozen_at) if machine.newest else "none yet"
        site = f"{machine.site} (this host)" if machine.here else machine.site
        table.add_row(machine.name, machine.id[:12], str(machine.points), newest, site, str(machine.epoch))
    return table
