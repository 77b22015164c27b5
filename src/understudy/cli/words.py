"""Numbers as people read them."""

import time
from datetime import datetime

from understudy.engine.units import duration

NANOSECONDS = 1_000_000_000

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


def local_time(at: int) -> str:
    """A wall-clock instant in this host's zone, to the millisecond."""
    whole, fraction = divmod(at, NANOSECONDS)
    return f"{datetime.fromtimestamp(whole).astimezone():%Y-%m-%d %H:%M:%S}.{fraction // 1_000_000:03d}"


def age(at: int, now: int | None = None) -> str:
    """How long ago; a clock that stands before `at` gives `in the future`, which is worth seeing."""
    passed = (time.time_ns() if now is None else now) - at
    return "in the future" if passed < -NANOSECONDS else f"{duration(passed / NANOSECONDS)} ago"
