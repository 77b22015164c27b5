"""What is said of failovers."""

from understudy.cli.output import Output
from understudy.cli.words import local_time
from understudy.engine import Authority, FailedOver, Point, Standby
from understudy.engine.units import duration


def held_by(standby: Standby, newest: Point) -> str:
    """Which point a machine is started from that is the standby image's, and what is not in it."""
    if not standby.number or standby.frozen_at is None:
        return "the point that this site's standby image is being brought to"
    start = f"point {standby.number}, which this site's standby image holds, frozen at {local_time(standby.frozen_at)}"
    # One that has caught up since it was asked how far behind it is lacks nothing.
    return f"{start}; it is the newest" if standby.number >= newest.number else start + lacking(standby.frozen_at, newest)


def lacking(frozen_at: int, newest: Point) -> str:
    """What is not in a point, though the vault has it."""
    later = duration((newest.frozen_at - frozen_at) / 1e9)
    return f"; the newest is point {newest.number}, frozen {later} later: what was written between will not be there"


def taken_back(where: Authority, home: str) -> str:
    """What a cancellation does, which may be meant for the change alone that is under way."""
    midst = f"{where.under_way}; not that alone is taken back: " if where.under_way else ""
    return f"{midst}{where.machine} will be ended here at once, and goes on at site {home}"


def told(out: Output, done: FailedOver, words: str) -> None:
    out.document(done)
    for finding in done.findings:
        if finding.verdict != "pass":
            out.warn(f"{finding.what}: {finding.words}" + (f" ({finding.hint})" if finding.hint else ""))
    out.say(words, style="bold")
    if done.rpo_seconds is not None and done.rto_seconds is not None:
        lost = f"what was written in the {duration(done.rpo_seconds)} before it was asked for is lost"
        if not done.rpo_seconds:
            lost = "nothing was lost" if done.mode == "planned" else "what its former site wrote since is lost"
        out.say(f"from point {done.number}: {lost}; its guest ran {duration(done.rto_seconds)} after it was asked for")
