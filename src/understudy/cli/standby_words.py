"""Standbys in words."""

from understudy.cli.output import Output
from understudy.cli.words import age, size
from understudy.engine import Restored, Standby, StandbyDisk
from understudy.engine.units import count, duration


def at_point(standby: Standby) -> str:
    """Which point it holds, or from which to which it is on its way."""
    if standby.towards_number:
        return f"{standby.came_number} to {standby.towards_number}" if standby.came_number else f"to {standby.towards_number}"
    if not standby.point:
        return "not whole yet" if not standby.why else "-"
    return str(standby.number) if standby.number else standby.point[:8]


def lag(standby: Standby) -> str:
    """How far it is behind."""
    if standby.behind is None:
        return "unknown"
    if not standby.behind:
        return "none"
    late = f", {duration(standby.lag_seconds)}" if standby.lag_seconds else ""
    return f"{count(standby.behind, 'point')}{late}"


def state(standby: Standby) -> str:
    return f"in use: {standby.used_by}" if standby.state == "in-use" else standby.state


def line(standby: Standby) -> str:
    """All of it in a line."""
    behind = f", {lag(standby)} behind" if standby.behind else ""
    if standby.towards_number:
        came = f"from point {standby.came_number} " if standby.came_number else ""
        return f"{state(standby)}, on its way {came}to point {standby.towards_number}{behind}"
    return f"{state(standby)}, at point {at_point(standby)}{behind}" if standby.point else f"{state(standby)}, {at_point(standby)}"


def holds(disk: StandbyDisk) -> str:
    """What one image holds."""
    if disk.point:
        return disk.point[:8]
    if disk.towards:
        return f"{disk.came[:8] or 'what was not known'} to {disk.towards[:8]}"
    return f"unknown: {disk.doubt}"


def proven(disk: StandbyDisk) -> str:
    """When the whole of it was compared. In the midst of a step its record does not say."""
    if disk.proven_at is not None:
        return age(disk.proven_at)
    return "-" if disk.towards else "never"


def followed_told(out: Output, done: Restored) -> None:
    """What a step has done."""
    for disk in done.disks:
        how = {"new": "new", "known": "known", "scan": f"read and compared ({disk.reason})"}[disk.trusted]
        out.say(f"{disk.name}: {disk.path}, {how}: {size(disk.written_bytes)} written, {size(disk.zeroed_bytes)} zeroed")
    proven = " and proven by digest" if all(disk.proven for disk in done.disks) else ""
    when = f"frozen {age(done.point.frozen_at)}"
    out.say(f"the standby of {done.machine} is at point {done.point.number}, {when}{proven}; {duration(done.seconds)}", style="bold")
