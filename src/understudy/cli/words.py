"""Numbers as people read them."""

import time
from datetime import datetime

NANOSECONDS = 1_000_000_000

_UP_TO_HOURS = (("m", 60), ("s", 1))
_UP_TO_DAYS = (("h", 3600), ("m", 60))
_BEYOND = (("d", 86400), ("h", 3600))
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


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
    """Two units at most: 12 ms, 3.4 s, 5 m 10 s, 3 h 2 m, 4 d 1 h; one where the other is nothing: 1 m."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    (large, much), (small, little) = _UP_TO_HOURS if whole < 3600 else _UP_TO_DAYS if whole < 86400 else _BEYOND
    rest = whole % much // little
    return f"{whole // much} {large} {rest} {small}" if rest else f"{whole // much} {large}"


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
