"""Which point an operator means: `latest`, a number, the beginning of an id, or a time. Pure."""

import re
from datetime import datetime

from understudy.cli.words import NANOSECONDS, local_time
from understudy.engine import Point, Points
from understudy.errors import InvalidRequest, NotFound

_HINT = "a point is `latest`, its number, the beginning of its id, or a time such as 2026-11-20T14:30 (the newest at or before it)"


def split(text: str) -> tuple[str, str]:
    """NAME[@POINT]: a machine's name and which of its points, `latest` where none is given."""
    name, at, point = text.partition("@")
    if not name or (at and not point):
        raise InvalidRequest(f"{text!r} names no point of a machine", hint="write NAME or NAME@POINT; " + _HINT)
    return name, point or "latest"


def select(machine: str, listing: Points, text: str) -> Point:
    """The one point that `text` means; a superseded one only by its number or id. `NotFound` says what is known of one that was dropped."""
    points = listing.points
    if not points:
        raise NotFound(f"{machine} has no recovery point yet", hint=f"make one with `understudy replicate {machine}`")
    counting = [point for point in points if not point.superseded] or points
    if text == "latest":
        return counting[-1]
    numbered = [point for point in points if str(point.number) == text]
    if numbered:
        return numbered[0]
    if re.fullmatch(r"[0-9a-f]{4,32}", text.lower()):
        begun = [point for point in points if point.id.startswith(text.lower())]
        if len(begun) > 1:
            raise InvalidRequest(
                f"{len(begun)} points of {machine} have ids that begin with {text}", hint="write more of the id, or its number"
            )
        if begun:
            return begun[0]
    instant = time_named(text)
    if instant is None:
        _must_not_be_gone(machine, listing, text)
        raise NotFound(f"{machine} has no point {text!r}", hint=f"`understudy points {machine}` lists them; {_HINT}")
    before = [point for point in counting if point.frozen_at < instant]
    if not before:
        older = "; older ones were dropped by pruning" if listing.dropped or listing.trimmed else ""
        raise NotFound(
            f"{machine} has no point as old as {text}", hint=f"its oldest was frozen at {local_time(points[0].frozen_at)}{older}"
        )
    return max(before, key=lambda point: (point.frozen_at, point.number))


def _must_not_be_gone(machine: str, listing: Points, text: str) -> None:
    kept = f"`understudy points {machine}` lists those that are kept"
    begun = text.lower() if re.fullmatch(r"[0-9a-f]{4,32}", text.lower()) else None
    for gone in listing.dropped:
        if str(gone.number) == text or (begun is not None and gone.id.startswith(begun)):
            when = f"on {local_time(gone.at)}, in record {gone.prune}"
            raise NotFound(f"point {gone.number} of {machine} ({gone.id[:8]}) was dropped by pruning {when}", hint=kept)
    if listing.trimmed and (begun is not None or (text.isdecimal() and len(text) <= 16 and int(text) <= listing.trimmed)):
        past = f"its log was trimmed up to record {listing.trimmed}, and points of before that are not listed were dropped by pruning"
        raise NotFound(f"{machine} has no point {text!r}: {past}", hint=kept)


def time_named(text: str) -> int | None:
    """The end of the second (or minute, or day) that `text` names, in ns: a point frozen within it counts as `at` it.

    Without a zone it is local time. None if it is no time.
    """
    match = re.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[T ](\d{2}:\d{2})(:\d{2})?(\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?", text)
    if match is None:
        return None
    minute, second, fraction = match.groups()
    if minute is None:
        width = 86400 * NANOSECONDS
    elif second is None:
        width = 60 * NANOSECONDS
    elif fraction is None:
        width = NANOSECONDS
    else:
        width = NANOSECONDS // 10 ** (len(fraction) - 1)
    try:
        when = datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InvalidRequest(f"{text!r} is no time", hint=_HINT) from None
    return int(when.timestamp()) * NANOSECONDS + when.microsecond * 1000 + width
