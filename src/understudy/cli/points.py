"""`understudy points`."""

import time

import click
from rich.table import Table

from understudy.cli.completing import machine_names
from understudy.cli.output import columns
from understudy.cli.points_group import instants_listed
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age, local_time, size
from understudy.engine import Point
from understudy.errors import InvalidRequest
from understudy.model import BLOCK_SIZE


@click.command("points")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=machine_names)
@click.option("--group", metavar="GROUP", help="List the instants of a group instead.")
@common
async def command(session: Session, name: str | None, group: str | None) -> None:
    """List machine NAME's recovery points, oldest first."""
    if (name is None) == (group is None):
        raise InvalidRequest("name a machine or a group", hint="NAME, or --group GROUP")
    if group is not None:
        await instants_listed(session, group)
        return
    assert name is not None
    async with session.engine() as engine:
        listing = await engine.points(name)
    out = session.output
    out.document(listing)
    if not listing.points:
        out.say(f"{listing.machine.name} has no recovery point yet")
    else:
        out.table(_table(listing.points))
        newest = listing.points[-1]
        disks = ", ".join(f"{disk.name} {size(disk.size)}" for disk in newest.disks)
        out.say(f"point {newest.number}: {newest.consistency}-consistent, frozen by {newest.method}, {disks}")
    for line in (*listing.damage, *listing.void):
        out.warn(line)


def _table(points: tuple[Point, ...]) -> Table:
    now = time.time_ns()
    proven = ["verified"] if any(point.verified_at is not None for point in points) else []
    locked = ["immutable until"] if any(point.immutable_until is not None for point in points) else []
    bound = ["group"] if any(point.group is not None for point in points) else []
    headings = ["point", "id", "frozen at", "age", "kind", "method", "changed", "stored", *proven, *locked, "cause", *bound]
    table = columns(*headings, right=("point", "changed", "stored"), wrapped=("cause", "group"))
    for point in points:
        table.add_row(
            f"{point.number} held" if point.held else str(point.number),
            point.id[:8],
            local_time(point.frozen_at)[:-4],
            age(point.frozen_at, now),
            point.consistency,
            point.method,
            size(point.changed_blocks * BLOCK_SIZE),
            size(point.stored_bytes),
            *([age(point.verified_at, now) if point.verified_at is not None else "no"] if proven else []),
            *([local_time(point.immutable_until)[:-4] if point.immutable_until is not None else "not known"] if locked else []),
            _cause(point),
            *([_bound(point)] if bound else []),
        )
    return table


def _cause(point: Point) -> str:
    """With what went another way than it was wished to."""
    cause = f"{point.cause}: {point.reason}" if point.reason else point.cause
    if point.final:
        cause = f"{cause}; final, its machine was shut down"
    if point.superseded:
        cause = f"{cause}; superseded by a failover to an earlier point"
    return f"{cause}; not app-consistent: {point.downgrade}" if point.downgrade else cause


def _bound(point: Point) -> str:
    if point.group is None:
        return ""
    lacking = f", incomplete: without {', '.join(point.group.missing)}" if point.group.missing else ""
    return f"{point.group.name} {point.group.instant[:8]}{lacking}"
