"""From facts to findings, by fixed names. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from understudy.engine import Look, Verdict
from understudy.engine.units import duration
from understudy.errors import StateFailed
from understudy.failover.readiness.facts import Facts
from understudy.hypervisor.protocol import Finding

CLOCK = 300.0
"""Seconds that two clocks may differ."""
LOOKED_AT = 20
"""Points whose distances say how often there is one."""
DRILL = 90 * 86400.0
"""A drill says little of a machine, and of a site, that had so many seconds to change."""
LAG = 900.0
_ORDER: tuple[Verdict, ...] = ("pass", "warn", "fail")
_SECOND = 1_000_000_000
_LEAST = 1 << 30
_DAY = 86400.0


def judge(facts: Facts) -> list[Finding]:
    """In a steady order, one of each name: replication, standby, storage, vault, key, clock, drill."""
    return [_replication(facts), _standby(facts), _storage(facts), _vault(facts), _key(facts), _clock(facts), _drill(facts)]


def worst(items: Sequence[Look]) -> Verdict:
    return max((item.verdict for item in items), key=_ORDER.index, default="pass")


def _replication(facts: Facts) -> Finding:
    newest = facts.state.newest
    if newest is None:
        return Finding("replication", "fail", "there is no recovery point yet", "replicate it at its own site")
    age = _since(newest.point.frozen_at, facts)
    times = [entry.point.frozen_at for entry in facts.state.points[-LOOKED_AT - 1 :]]
    gaps = [(after - before) / _SECOND for before, after in pairwise(times)]
    usual = median(gaps) if len(gaps) > 1 else None
    words = f"the newest point is {duration(max(age, 0.0))} old"
    words += f", and there was one each {duration(max(usual, 0.0))} lately" if usual is not None else ""
    late = _DAY if usual is None else max(4 * usual, usual + 60)
    if age > late:
        return Finding("replication", "warn", words, f"look at the machine's own site{_named(facts)}: understudy status")
    if newest.point.downgrade:
        return Finding(
            "replication", "warn", f"{words}; it is crash-consistent only: {newest.point.downgrade}", "look at the guest's agent"
        )
    return Finding("replication", "pass", words)


def _standby(facts: Facts) -> Finding:
    seen = facts.standby
    if seen is None:
        return Finding("standby", "pass", "there is no standby image here: a machine starts from the vault")
    if isinstance(seen, StateFailed):
        return Finding("standby", "fail", seen.message, seen.hint)
    if seen.state == "in-use":
        return Finding("standby", "warn", f"its standby image is used by {seen.used_by}, and does not follow", "end that")
    doubts = [f"{disk.name}: {disk.doubt}" for disk in seen.disks if disk.doubt]
    if doubts or seen.lag_seconds is None:
        words = f"which point its standby image holds is not known{': ' if doubts else ''}{'; '.join(doubts)}"
        return Finding("standby", "warn", words, "let it follow: it is read and compared then")
    at = f"holds point {seen.number}" if seen.number else f"is on its way from point {seen.came_number} to {seen.towards_number}"
    words = f"its standby image {at}, {duration(seen.lag_seconds)} behind the newest"
    if seen.state == "paused":
        return Finding("standby", "warn", f"{words}, and is paused", "let it follow again")
    if seen.lag_seconds > LAG:
        return Finding("standby", "warn", words, "see why it does not follow: understudy events")
    return Finding("standby", "pass", words)


def _storage(facts: Facts) -> Finding:
    space, newest = facts.space, facts.state.newest
    if space is None:
        return Finding(
            "storage", "fail", "it cannot be told how much space there is for replicas", "see whether the state directory is there"
        )
    whole = sum(disk.size for disk in newest.point.disks) if newest is not None else 0
    words = f"{_size(space.free)} are free below {space.path}"
    if space.free < min(whole, _LEAST):
        return Finding("storage", "fail", f"{words}: a machine that writes would soon stand still", f"give it {_size(whole)}")
    if space.free < whole:
        words = f"{words}, and its disks have {_size(whole)}: it could start, and a failover could not be committed here"
        return Finding("storage", "warn", words, f"free {_size(whole - space.free)} more")
    return Finding("storage", "pass", f"{words}, and its disks have {_size(whole)}")


def _vault(facts: Facts) -> Finding:
    probe = facts.probe
    if probe.failure is not None:
        return Finding(
            "vault", "fail", f"it cannot be used: {probe.failure.message}", probe.failure.hint or "see whether its store is well"
        )
    if not probe.written:
        return Finding("vault", "pass", "it can be read; writing was not tried, since nothing could be deleted there again")
    return Finding("vault", "pass", f"it can be read and written; an object was durable in {duration(probe.seconds)}")


def _key(facts: Facts) -> Finding:
    key = facts.key
    if key.role != "operator":
        words = f"this site opens the vault as {key.role} {key.name!r}, which cannot read points"
        return Finding("key", "fail", words, "give it an operator's key: understudy vault key add --role operator")
    if not key.opens:
        words = f"the operator's key {key.name!r} does not hold the vault's present recovery key"
        return Finding("key", "fail", words, "give this site a key that does: understudy vault key list")
    return Finding("key", "pass", f"the operator's key {key.name!r} opens points, and its index key reads this machine's log")


def _clock(facts: Facts) -> Finding:
    """A record tells that our clock is behind its writer's; that it is ahead only a young one rules out."""
    theirs = [(drill.began_at, f"a drill at {drill.site}") for drill in facts.state.drills if drill.site != facts.here]
    newest = facts.state.newest
    if newest is not None and facts.state.site != facts.here:
        theirs.append((newest.point.frozen_at, f"point {newest.seq} of {facts.state.site or 'its site'}"))
    hint = "set both hosts' clocks by NTP: timedatectl"
    stamp, told = facts.probe.stamp, list[str]()
    if theirs:
        at, what = max(theirs)
        age = _since(at, facts)
        if age < -CLOCK:
            return Finding("clock", "fail", f"{what} was made {duration(-age)} in the future by this host's clock", hint)
        told.append(f"{what} is {duration(max(age, 0.0))} old by this host's clock")
    if stamp is not None:
        if abs(stamp) > CLOCK:
            words = f"the vault's file system is {duration(abs(stamp))} {'ahead of' if stamp > 0 else 'behind'} this host's clock"
            return Finding("clock", "fail", words, hint)
        told.append(f"the vault's file system is {duration(abs(stamp))} apart")
    if not told:
        return Finding("clock", "warn", "there is nothing that this host's clock could be compared with", hint)
    if stamp is None and _since(max(theirs)[0], facts) > CLOCK:
        return Finding("clock", "warn", f"{told[0]}: whether that is so cannot be told", hint)
    return Finding("clock", "pass", "; ".join(told))


def _drill(facts: Facts) -> Finding:
    hint = f"understudy test-failover {facts.state.name} --cleanup"
    here = [drill for drill in facts.state.drills if drill.site == facts.here]
    if not here:
        return Finding("drill", "warn", "it was never started here for a test", hint)
    last = max(here, key=lambda drill: drill.began_at)
    age = _since(last.began_at, facts)
    words = f"the last test here, {duration(max(age, 0.0))} ago, {last.outcome}"
    if last.outcome != "passed":
        return Finding(
            "drill",
            "fail",
            f"{words}{f': {last.checks}' if last.checks else ''}",
            f"see what went wrong (understudy drill list), and test again: {hint}",
        )
    if age > DRILL:
        return Finding("drill", "warn", words, hint)
    return Finding("drill", "pass", words)


def _since(at: int, facts: Facts) -> float:
    return (facts.now - at) / _SECOND


def _named(facts: Facts) -> str:
    return f" ({facts.state.site})" if facts.state.site else ""


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= _LEAST else f"{count >> 20} MiB"
