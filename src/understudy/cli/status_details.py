"""All that is known of one machine's state, a line each. Pure."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from understudy.cli.policy_words import policy_line
from understudy.cli.retention_words import kept_words
from understudy.cli.second_words import second_words
from understudy.cli.standby_words import line
from understudy.cli.status_words import job_line, moment
from understudy.cli.words import NANOSECONDS, age, local_time, size
from understudy.engine import Immutability, Job, MachineStatus, RpoSample
from understudy.engine.units import count, duration

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40


def details(machine: MachineStatus, jobs: Sequence[Job], now: int, *, bars: bool) -> list[Text]:
    """`bars`: the terminal can show the course of the RPO."""
    heading = Text(f"{machine.name}").append(f"  id {machine.id}", style="dim")
    heading.stylize("bold", 0, len(machine.name))
    return [heading, *(Text(f"  {name:<14}  {words}") for name, words in _told(machine, jobs, now, bars) if words)]


def _told(machine: MachineStatus, jobs: Sequence[Job], now: int, bars: bool) -> Iterator[tuple[str, str]]:
    if machine.standby is not None:
        images = ", ".join(f"{disk.name} in {disk.path}" for disk in machine.standby.disks)
        yield "standby", f"{line(machine.standby)}; {images}"
    if machine.phase == "standby":
        if machine.newest_point is not None and machine.newest_frozen_at is not None:
            when = f"frozen at {moment(machine.newest_frozen_at, now)}"
            yield "newest point", f"{machine.newest_point}, {when}; {count(machine.points, 'point')} kept"
        yield "vault", "has not answered yet" if machine.vault_seen_at is None else f"answered {age(machine.vault_seen_at, now)}"
        for job in jobs:
            yield "job", f"{job.id}, {job_line(job)}"
        return
    figures, totals = machine.cycles, machine.totals
    rpo = "there is no point yet" if machine.rpo_seconds is None else duration(machine.rpo_seconds)
    limits = f"warning from {duration(machine.warning_rpo)}, critical from {duration(machine.critical_rpo)}"
    yield "RPO", f"{rpo} at {moment(machine.computed_at, now)}; {limits}"
    yield "lately", course(machine.rpo_history, bars)
    if machine.newest_point is not None and machine.newest_frozen_at is not None:
        when = f"frozen at {moment(machine.newest_frozen_at, now)} by {machine.method}"
        yield "newest point", f"{machine.newest_point}, {when}; {count(machine.points, 'point')} kept"
    yield "source", f"{machine.source}; {', '.join(f'{disk.name} {size(disk.size)}' for disk in machine.disks) or 'disks not seen yet'}"
    yield "policy", policy_line(machine.policy)
    yield "retention", "every point stays" if machine.retention is None else kept_words(machine.retention)
    if machine.second is not None:
        yield "second vault", second_words(machine.second, now)
    yield "cycles", f"{totals.made} made, {totals.failed} failed, {totals.missed} missed since the daemon began"
    if figures.count:
        took = f"{duration(figures.average_seconds)}, {size(figures.average_bytes)} stored"
        at_most = f"at most {duration(figures.maximum_seconds)}, {size(figures.maximum_bytes)}"
        yield f"the last {figures.count}", f"{took} on average; {at_most}"
    if machine.pending_bytes is not None:
        yield "pending", f"{size(machine.pending_bytes)} changed and not sent yet"
    if machine.last_error is not None and machine.last_error_at is not None:
        yield "last error", f"{machine.last_error.message} ({age(machine.last_error_at, now)})"
    proven = "no point yet" if machine.verified_at is None else f"point {machine.verified_point}, {age(machine.verified_at, now)}"
    yield "verified", proven
    if machine.immutable is not None:
        yield "immutable", _immutable(machine.immutable)
    if machine.drilled_at is not None:
        yield "drilled", age(machine.drilled_at, now)
    yield "vault", "has not answered yet" if machine.vault_seen_at is None else f"answered {age(machine.vault_seen_at, now)}"
    for job in jobs:
        yield "job", f"{job.id}, {job_line(job)}"


def _immutable(known: Immutability) -> str:
    if known.wrong or known.until is None:
        return "no"
    first = f"what is new for {duration(known.first_seconds)} at once" if known.first_seconds else "what is new with the next turn"
    return f"{count(known.objects, 'object')} locked until {local_time(known.until)[:-4]} at least; {first}"


def course(samples: Sequence[RpoSample], bars: bool) -> str:
    """The RPO's course up to now, the worst of each stretch of time, and the worst of all."""
    if len(samples) < 2:
        return ""
    most = max(sample.seconds for sample in samples)
    span = duration((samples[-1].at - samples[0].at) / NANOSECONDS)
    words = f"at most {duration(most)} in the last {span}"
    if not bars or not most:
        return words
    each = -(-len(samples) // _WIDTH)
    heights = [max(sample.seconds for sample in samples[begin : begin + each]) for begin in range(0, len(samples), each)]
    drawn = "".join(_BARS[min(int(height / most * len(_BARS)), len(_BARS) - 1)] for height in heights)
    return f"{drawn}  {words}"
