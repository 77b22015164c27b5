"""What the demonstration measured and what it proves: pure functions over what was observed."""

from collections.abc import Sequence
from statistics import median

import msgspec

from understudy.demo.console import Acknowledgement, Verdict, acknowledged_before

BLOCK = 4096
_NANOSECONDS = 1e9


class Cycle(msgspec.Struct, frozen=True):
    """What an event ``machine.cycle`` tells, as far as the report needs it. ``point``: its number."""

    point: int
    frozen_at: int
    cause: str
    scanned_blocks: int
    changed_blocks: int
    stored_bytes: int
    seconds: float


class Point(msgspec.Struct, frozen=True):
    """A point in ``understudy points --json``."""

    number: int
    id: str
    frozen_at: int


class Failover(msgspec.Struct, frozen=True):
    """Instants on this host's clock (wall, nanoseconds)."""

    killed_at: int
    noticed_at: int
    restored_at: int
    up_at: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes. ``problems`` empty: everything that was acknowledged before the newest point's freeze came back."""

    accelerator: str
    initial_bytes: int
    initial_stored_bytes: int
    initial_seconds: float
    cycles: int
    cycle_seconds: float
    """Median of the cycles after the initial one."""
    dirty_bytes: int
    different_bytes: int
    sent_bytes: int
    point: int
    rpo_seconds: float
    restore_seconds: float
    rto_seconds: float
    """From the kill's notice to the restored guest's first line."""
    acknowledged: int
    """Records acknowledged until the kill."""
    acknowledged_before_freeze: int
    recovered: int
    """Records in the restored guest: those before the freeze, and any that reached the disks before it without being heard of."""
    lost: int
    """Records acknowledged after the newest point was frozen that did not come back: what the RPO cost."""
    verdict: Verdict
    problems: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Different bytes for each byte sent."""
        return self.different_bytes / self.sent_bytes if self.sent_bytes else 0.0


def judge(before_freeze: int, verdict: Verdict) -> tuple[str, ...]:
    """What is wrong with a restored guest of which ``before_freeze`` records had been acknowledged when its point was frozen."""
    problems = []
    for number, code in enumerate(verdict.fsck):
        if code:
            problems.append(f"e2fsck found errors on disk {number} (code {code})")
    if verdict.corrupt:
        problems.append(f"{verdict.corrupt} records are corrupt (first: {_listed(verdict.bad)})")
    if verdict.missing:
        problems.append(f"{verdict.missing} records are missing (first: {_listed(verdict.bad)})")
    if verdict.highest < before_freeze:
        problems.append(f"records {verdict.highest + 1} to {before_freeze} were acknowledged before the freeze and are missing")
    if verdict.head < before_freeze:
        problems.append(f"the newest head names record {verdict.head}, and {before_freeze} were acknowledged before the freeze")
    if not before_freeze:
        problems.append("no record was acknowledged before the freeze, so nothing is proven")
    return tuple(problems)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def report(
    accelerator: str, cycles: Sequence[Cycle], point: Point, failover: Failover, acknowledged: Sequence[Acknowledgement], verdict: Verdict
) -> Report:
    """The whole account. ``cycles`` are all that were told of, the initial one first; ``point`` is the one that was restored."""
    initial, *later = cycles
    before_freeze = acknowledged_before(acknowledged, point.frozen_at)
    newest = acknowledged[-1].number if acknowledged else 0
    return Report(
        accelerator=accelerator,
        initial_bytes=initial.changed_blocks * BLOCK,
        initial_stored_bytes=initial.stored_bytes,
        initial_seconds=initial.seconds,
        cycles=len(later),
        cycle_seconds=median(cycle.seconds for cycle in later) if later else 0.0,
        dirty_bytes=sum(cycle.scanned_blocks for cycle in later) * BLOCK,
        different_bytes=sum(cycle.changed_blocks for cycle in later) * BLOCK,
        sent_bytes=sum(cycle.stored_bytes for cycle in later),
        point=point.number,
        rpo_seconds=(failover.killed_at - point.frozen_at) / _NANOSECONDS,
        restore_seconds=(failover.restored_at - failover.noticed_at) / _NANOSECONDS,
        rto_seconds=(failover.up_at - failover.noticed_at) / _NANOSECONDS,
        acknowledged=newest,
        acknowledged_before_freeze=before_freeze,
        recovered=verdict.highest,
        lost=max(newest - verdict.highest, 0),
        verdict=verdict,
        problems=judge(before_freeze, verdict),
    )
