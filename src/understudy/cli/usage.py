"""`understudy usage`."""

import click
from rich.table import Table

from understudy.cli.completing import machine_names
from understudy.cli.output import Output, columns
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import local_time, size
from understudy.engine import PointUsage, Usage, Weight
from understudy.engine.units import count


@click.command("usage")
@click.argument("name", required=False, shell_complete=machine_names)
@common
async def command(session: Session, name: str | None) -> None:
    """Show what the machines (or machine NAME and each of its points) take in the vault, and what would come back."""
    async with session.engine() as engine:
        machines = [name] if name is not None else [machine.id for machine in (await engine.vault()).machines]
        found = [await engine.usage(machine) for machine in machines]
    out = session.output
    if name is not None:
        out.document(found[0])
    else:
        out.document(found)
        if not found:
            out.say("the vault has no machine yet")
    for usage in found:
        _tell(out, usage)
        if name is not None and usage.points:
            out.table(_table(usage.points))


def _tell(out: Output, usage: Usage) -> None:
    dropped = f", {usage.dropped_points} dropped" if usage.dropped_points else ""
    out.say(f"{usage.machine.name}: disks of {size(usage.logical_bytes)}, {count(len(usage.points), 'point')} kept{dropped}", style="bold")
    shared = f", {size(usage.shared_bytes)} of it by more than one" if usage.shared_bytes else ""
    out.say(f"  stored       {_weight(usage.stored)}")
    out.say(f"  needed       {size(usage.needed_bytes)} by the points that are kept{shared}")
    for weight, words in (
        (usage.now, "comes back with the next collection"),
        (usage.later, "comes back when its grace has passed"),
        (usage.collectable, "is needed by nobody: a collection would condemn it" + _moving(usage)),
        (usage.unnamed, "belongs to no point: to a cycle that is under way, or that failed"),
    ):
        if weight.objects:
            out.say(f"  {size(weight.bytes):<12} {words}")
    if usage.idle_bytes:
        out.say(f"  {size(usage.idle_bytes):<12} dead inside packs that are still needed: they are rewritten when mostly dead")
    going = f", {_weight(usage.trimmable, 'record')} to be trimmed" if usage.trimmable.objects else ""
    out.say(f"  {size(usage.log.bytes):<12} the log: {count(usage.log.objects, 'record')}, with the small packs in them{going}")


def _moving(usage: Usage) -> str:
    return f", after moving {size(usage.moving_bytes)} that is" if usage.moving_bytes else ""


def _table(points: tuple[PointUsage, ...]) -> Table:
    table = columns(
        "point",
        "id",
        "frozen at",
        "disks",
        "stored then",
        "needed by it alone",
        right=("point", "disks", "stored then", "needed by it alone"),
    )
    for usage in points:
        point = usage.point
        table.add_row(
            f"{point.number} held" if point.held else str(point.number),
            point.id[:8],
            local_time(point.frozen_at)[:-4],
            size(usage.logical_bytes),
            size(point.stored_bytes),
            size(usage.alone_bytes),
        )
    return table


def _weight(weight: Weight, noun: str = "object") -> str:
    return f"{size(weight.bytes)} in {count(weight.objects, noun)}"
