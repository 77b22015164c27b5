"""Numbers as people read them, and intervals as they write them."""

import math
import re
import time
from datetime import datetime

from understudy.errors import InvalidRequest

NANOSECONDS = 1_000_000_000

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_LONGEST = 1000 * 366 * 86400.0


def size(count: float) -> str:
    """Bytes with a binary unit: 0 B, 4.0 KiB, 12 GiB."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{int(count)} B"
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def duration(seconds: float) -> str:
    """Two units at most: 12 ms, 3.4 s, 5 m 10 s, 3 h 2 m, 4 d 1 h."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def seconds_of(text: str) -> float:
    """An interval such as 500ms, 1s, 5m, 1h30m, 1d, or a number of seconds; InvalidRequest if it is none or not positive."""
    total = _seconds(text)
    if total <= 0:
        raise InvalidRequest(
            f"an interval of {text!r} is too short", hint="the shortest useful interval is a fraction of a second, such as 500ms"
        )
    return total


def span_of(text: str) -> int:
    """A span of time as `seconds_of` reads it, but in whole seconds, a fraction counting as one, and it may be 0."""
    return math.ceil(_seconds(text))


def _seconds(text: str) -> float:
    stripped = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", stripped)
    if not parts or "".join(number + unit for number, unit in parts) != stripped or (len(parts) > 1 and any(not unit for _, unit in parts)):
        raise InvalidRequest(f"{text!r} is no interval", hint="write a number and ms, s, m, h or d, such as 500ms, 1s or 5m")
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if total > _LONGEST:
        raise InvalidRequest(f"{text[:40]!r} is more than a thousand years", hint="write a shorter time")
    return total


def local_time(at: int) -> str:
    """A wall-clock instant in this host's zone, to the millisecond."""
    whole, fraction = divmod(at, NANOSECONDS)
    return f"{datetime.fromtimestamp(whole).astimezone():%Y-%m-%d %H:%M:%S}.{fraction // 1_000_000:03d}"


def age(at: int, now: int | None = None) -> str:
    """How long ago; a clock that stands before `at` gives `in the future`, which is worth seeing."""
    passed = (time.time_ns() if now is None else now) - at
    return "in the future" if passed < -NANOSECONDS else f"{duration(passed / NANOSECONDS)} ago"


def count(number: int, noun: str) -> str:
    """1 disk, 2 disks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
