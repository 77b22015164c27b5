"""Standbys in words."""

from understudy.cli.output import Output
from understudy.cli.words import age, count, size
from understudy.engine import Restored, Standby
from understudy.engine.units import duration


def at_point(standby: Standby) -> str:
    """Which point it holds."""
    if not standby.point:
        return "not whole yet"
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
    return f"{state(standby)}, at point {at_point(standby)}{behind}" if standby.point else f"{state(standby)}, {at_point(standby)}"


def followed_told(out: Output, done: Restored) -> None:
    """What a step has done."""
    for disk in done.disks:
        how = {"new": "new", "known": "known", "scan": f"read and compared ({disk.reason})"}[disk.trusted]
        out.say(f"{disk.name}: {disk.path}, {how}: {size(disk.written_bytes)} written, {size(disk.zeroed_bytes)} zeroed")
    proven = " and proven by digest" if all(disk.proven for disk in done.disks) else ""
    when = f"frozen {age(done.point.frozen_at)}"
    out.say(f"the standby of {done.machine} is at point {done.point.number}, {when}{proven}; {duration(done.seconds)}", style="bold")
