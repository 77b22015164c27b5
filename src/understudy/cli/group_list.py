"""`understudy group list`."""

from collections.abc import Sequence

import click
import msgspec

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age
from understudy.engine import Group, Instant


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A group, as this host or the vault knows it. `newest`: its newest complete instant."""

    name: str
    here: bool
    members: tuple[str, ...]
    instants: int
    incomplete: int
    newest: Instant | None


@click.command("list")
@common
async def command(session: Session) -> None:
    """List this host's groups, and those that the vault has points of."""
    async with session.engine() as engine:
        rows = rows_of(await engine.groups(), await engine.instants())
    out = session.output
    out.document(rows)
    if not rows:
        out.say("no groups")
        return
    table = columns(
        "group", "here", "machines", "instants", "incomplete", "newest", right=("instants", "incomplete"), wrapped=("machines",)
    )
    for row in rows:
        newest = f"{row.newest.id[:8]} {age(row.newest.frozen_at)}" if row.newest else "none"
        here = "yes" if row.here else "no"
        table.add_row(row.name, here, ", ".join(row.members), str(row.instants), str(row.incomplete), newest)
    out.table(table)


def rows_of(groups: Sequence[Group], instants: Sequence[Instant]) -> list[Row]:
    """By name. What another host calls a group of this name counts for it, too."""
    here = {group.name: tuple(member.name for member in group.members) for group in groups}
    rows = []
    for name in sorted({*here, *(instant.group for instant in instants)}):
        made = [instant for instant in instants if instant.group == name]
        complete = [instant for instant in made if instant.complete]
        members = here.get(name) or tuple(member.name for member in made[-1].members)
        rows.append(
            Row(
                name=name,
                here=name in here,
                members=members,
                instants=len(made),
                incomplete=len(made) - len(complete),
                newest=complete[-1] if complete else None,
            )
        )
    return rows
