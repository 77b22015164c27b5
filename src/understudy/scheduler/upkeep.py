"""What a machine's points need next, apart from new ones. Times are seconds of a monotonic clock, but for the age of a proof."""

import zlib
from typing import NamedTuple

from understudy.engine import JobKind

VERIFY_TRY = 3600.0
"""A verification that failed is not begun again sooner."""


DRILL_TRY = 6 * 3600.0
"""Nor is a test failover."""


class Care(NamedTuple):
    """`verified_age`: seconds since the newest verified point was proven; None: none was. `drilled_age`: since the last test began.
    `drill_now`: whether one may begin at this time of day, and none stands."""

    points: int
    operator: bool
    retention: bool
    verify_every: float
    verified_age: float | None
    drill_every: float = 0.0
    drilled_age: float | None = None
    drill_now: bool = True


class Kept(NamedTuple):
    """When what was done last, or would have been."""

    pruned: float
    collected: float
    verified: float
    drilled: float


def first_turn(machine: str, every: float, now: float) -> Kept:
    """As if all had been done some part of a round ago, another for each machine: not all come at once after a start."""
    share = zlib.crc32(machine.encode()) / 2**32
    return Kept(now - every * share, now - every * share, now - VERIFY_TRY * share, now - DRILL_TRY * share)


def due(care: Care, kept: Kept, every: float, now: float) -> tuple[JobKind | None, Kept]:
    """The next job, and what is kept in mind if it is begun. Collecting follows pruning; what a source's key may not do is left out."""
    if not care.operator or not care.points:
        return None, kept
    if care.retention and now - kept.pruned >= every:
        return "prune", kept._replace(pruned=now)
    if care.retention and kept.collected < kept.pruned and now - kept.collected >= every:
        return "collect", kept._replace(collected=now)
    old = care.verified_age is None or care.verified_age > care.verify_every
    if care.verify_every and old and now - kept.verified >= min(VERIFY_TRY, care.verify_every):
        return "verify", kept._replace(verified=now)
    old = care.drilled_age is None or care.drilled_age > care.drill_every
    if care.drill_every and care.drill_now and old and now - kept.drilled >= min(DRILL_TRY, care.drill_every):
        return "test-failover", kept._replace(drilled=now)
    return None, kept
