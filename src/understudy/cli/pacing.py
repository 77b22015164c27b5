"""When the next cycle is due and how long to wait after a failure. Pure; times are seconds of a monotonic clock."""

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0


def next_due(started: float, every: float, now: float) -> float:
    """When to begin the next cycle: a fixed interval after the last began, at once if that is past. Missed turns are not made up."""
    return max(started + every, now)


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after the `failures`th failure in a row; `chance` in [0, 1) spreads it over the upper half."""
    return min(FIRST_DELAY * 2.0 ** min(failures - 1, 32), LONGEST_DELAY) * (0.5 + chance / 2)
