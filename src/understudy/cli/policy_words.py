"""A replication policy in words, and windows as they are written. Pure but for what is said."""

import re
from typing import get_args

from understudy.cli.output import Output
from understudy.cli.words import local_time, size
from understudy.engine import Day, MachineStatus, ReplicationPolicy, Times, Window
from understudy.engine.units import bytes_of, duration
from understudy.errors import InvalidRequest

DAYS: tuple[Day, ...] = get_args(Day)
_TIMES = re.compile(r"(?:(?P<days>[a-z][a-z,-]*)\s+)?(?P<begin>\d{2}:\d{2})-(?P<end>\d{2}:\d{2})")
_WINDOW = re.compile(r"(?:(?P<days>[a-z][a-z,-]*)\s+)?(?P<begin>\d{2}:\d{2})-(?P<end>\d{2}:\d{2})\s+(?P<rate>\S+)")


def policy_told(output: Output, machine: MachineStatus) -> None:
    """A line each of what is wished for, with the limits that hold where none is named."""
    policy = machine.policy
    output.say(f"{machine.name}: a cycle each {duration(policy.interval)}{', paused' if policy.paused else ''}", style="bold")
    limits = (("warning", policy.warning_rpo, machine.warning_rpo), ("critical", policy.critical_rpo, machine.critical_rpo))
    told = [f"{what} from {duration(rpo)}{'' if named else ' (derived)'}" for what, named, rpo in limits]
    output.say(f"  RPO             {', '.join(told)}")
    every = {0: "no point", 1: "every point"}.get(policy.app_every, f"one point in {policy.app_every}")
    output.say(f"  app-consistent  {every}")
    output.say(f"  rate            {f'at most {size(policy.rate)}/s' if policy.rate else 'unlimited'}")
    for window in policy.windows:
        output.say(f"  window          {window_words(window)}")
    if policy.initial_at is not None:
        output.say(f"  first point     not before {local_time(policy.initial_at)[:-4]}")
    verified = f"each {duration(policy.verify_every)}" if policy.verify_every else "never by itself"
    output.say(f"  verified        {verified}")
    output.say(f"  tested          {tested_words(policy)}")
    output.say(f"  second vault    {policy.second or 'none'}")
    output.say(f"  immutable       {f'for {duration(policy.immutable)} at any time' if policy.immutable else 'no'}")


def policy_line(policy: ReplicationPolicy) -> str:
    """The same in one line, without what is as it is by default."""
    parts = [f"a cycle each {duration(policy.interval)}"]
    if policy.app_every:
        parts.append("every point app-consistent" if policy.app_every == 1 else f"one point in {policy.app_every} app-consistent")
    if policy.rate:
        parts.append(f"at most {size(policy.rate)}/s")
    parts += [window_words(window) for window in policy.windows]
    if policy.initial_at is not None:
        parts.append(f"first point not before {local_time(policy.initial_at)[:-4]}")
    if policy.second:
        parts.append(f"copied to {policy.second}")
    if policy.immutable:
        parts.append(f"immutable for {duration(policy.immutable)}")
    return "; ".join([*parts, *(["paused"] if policy.paused else [])])


def tested_words(policy: ReplicationPolicy) -> str:
    every = f"each {duration(policy.drill_every)}" if policy.drill_every else "never by itself"
    times = f", {_times_words(policy.drill_times)}" if policy.drill_every and policy.drill_times else ""
    return f"{every}{times}; warning from {duration(policy.drill_warning)}" if policy.drill_warning else f"{every}{times}"


def _times_words(times: Times | Window) -> str:
    return f"{', '.join(times.days) or 'every day'} {times.begin} to {times.end}"


def window_words(window: Window) -> str:
    return f"{_times_words(window)}: {f'at most {size(window.rate)}/s' if window.rate else 'nothing is sent'}"


def window_of(text: str) -> Window:
    """`[DAYS] HH:MM-HH:MM RATE`, such as `mon-fri 08:00-18:00 5MiB`, `sat,sun 00:00-24:00 0`."""
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        hint = "write DAYS HH:MM-HH:MM RATE, such as 'mon-fri 08:00-18:00 5MiB'; with a rate of 0 nothing is sent"
        raise InvalidRequest(f"{text!r} is no window", hint=hint)
    return Window(begin=match["begin"], end=match["end"], rate=bytes_of(match["rate"]), days=_days(match["days"] or ""))


def times_of(text: str) -> Times:
    """`[DAYS] HH:MM-HH:MM`, such as `sat,sun 02:00-05:00`."""
    match = _TIMES.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidRequest(f"{text!r} is no time of day", hint="write DAYS HH:MM-HH:MM, such as 'sat,sun 02:00-05:00'")
    return Times(begin=match["begin"], end=match["end"], days=_days(match["days"] or ""))


def _days(text: str) -> tuple[Day, ...]:
    chosen: set[str] = set()
    for part in text.split(",") if text else []:
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise InvalidRequest(f"{part!r} is no day or run of days", hint=f"days are {', '.join(DAYS)}, a run of them mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        span = range(begin, end + 1) if begin <= end else [*range(begin, 7), *range(end + 1)]
        chosen.update(DAYS[day] for day in span)
    return tuple(day for day in DAYS if day in chosen)
