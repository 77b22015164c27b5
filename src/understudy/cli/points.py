"""`understudy points`."""

import time

import click
from rich.table import Table

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import age, local_time, size
from understudy.engine import Point
from understudy.model import BLOCK_SIZE


@click.command("points")
@click.argument("name")
@common
async def command(session: Session, name: str) -> None:
    """List machine NAME's recovery points, oldest first."""
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
        out.say(f"point {newest.number}: {newest.consistency}-consistent, {disks}")
    for line in (*listing.damage, *listing.void):
        out.warn(line)


def _table(points: tuple[Point, ...]) -> Table:
    now = time.time_ns()
    table = columns(
        "point", "id", "frozen at", "age", "kind", "changed", "stored", "cause", right=("point", "changed", "stored"), wrapped=("cause",)
    )
    for point in points:
        table.add_row(
            f"{point.number} held" if point.held else str(point.number),
            point.id[:8],
            local_time(point.frozen_at)[:-4],
            age(point.frozen_at, now),
            point.consistency,
            size(point.changed_blocks * BLOCK_SIZE),
            size(point.stored_bytes),
            _cause(point),
        )
    return table


def _cause(point: Point) -> str:
    """With what went another way than it was wished to."""
    cause = f"{point.cause}: {point.reason}" if point.reason else point.cause
    return f"{cause}; not app-consistent: {point.downgrade}" if point.downgrade else cause
