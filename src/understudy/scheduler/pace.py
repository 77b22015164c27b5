"""When a machine's next cycle is due. Times are seconds of a monotonic clock: no jump of the wall clock is seen here."""

from collections.abc import Sequence
from typing import NamedTuple

from understudy.engine import ReplicationPolicy

MARGIN = 1.25
"""A transfer may take so much longer than the longest of the last ones."""
LOOKED_AT = 3


class Thresholds(NamedTuple):
    """Ages of the newest point, in seconds."""

    warning: float
    critical: float


def thresholds(policy: ReplicationPolicy) -> Thresholds:
    """What the policy says, or what its interval means: a point may be one interval old when the next one begins to be sent."""
    warning = policy.warning_rpo or max(2 * policy.interval, policy.interval + 10)
    if policy.critical_rpo and not policy.warning_rpo:
        warning = min(warning, policy.critical_rpo)
    return Thresholds(warning, policy.critical_rpo or max(2.5 * warning, warning + 30))


def expected(transfers: Sequence[float]) -> float:
    """How long the next transfer (freeze to commit) takes, by the last ones', newest last; 0 if nothing is known."""
    return MARGIN * max(transfers[-LOOKED_AT:], default=0.0)


def period(policy: ReplicationPolicy, transfers: Sequence[float]) -> float:
    """Seconds from one cycle's start to the next one's: the interval, or less where the last transfers' time would cost the RPO.

    Right before a point is committed the one before it is a period and a transfer old. So a transfer of more than half the RPO
    leaves nothing to be done but cycle after cycle: `too_long` tells.
    """
    return max(min(policy.interval, thresholds(policy).warning - expected(transfers)), 0.0)


def too_long(policy: ReplicationPolicy, transfers: Sequence[float]) -> float:
    """The longest of the last transfers if it takes more than half of the warning RPO, which cannot be held then; 0: none does."""
    longest = max(transfers[-LOOKED_AT:], default=0.0)
    return longest if longest > thresholds(policy).warning / 2 else 0.0


def next_due(policy: ReplicationPolicy, transfers: Sequence[float], began: float | None, now: float) -> float:
    """When the next cycle is due: at once if there was none, or if its time is past. Missed ones are not made up."""
    return now if began is None else max(began + period(policy, transfers), now)


def missed(due: float, began: float, length: float) -> int:
    """How many cycles were due, and did not begin, before one of `length` seconds' period that was due at `due` began."""
    return int((began - due) / length) if length > 0 and began > due else 0
