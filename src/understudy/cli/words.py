"""Numbers as people read them."""

import time
from datetime import datetime

from understudy.engine.units import duration
from understudy.engine.units import size as size

NANOSECONDS = 1_000_000_000


def local_time(at: int) -> str:
    """A wall-clock instant in this host's zone, to the millisecond."""
    whole, fraction = divmod(at, NANOSECONDS)
    return f"{datetime.fromtimestamp(whole).astimezone():%Y-%m-%d %H:%M:%S}.{fraction // 1_000_000:03d}"


def age(at: int, now: int | None = None) -> str:
    """How long ago; a clock that stands before `at` gives `in the future`, which is worth seeing."""
    passed = (time.time_ns() if now is None else now) - at
    return "in the future" if passed < -NANOSECONDS else f"{duration(passed / NANOSECONDS)} ago"
