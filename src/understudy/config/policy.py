"""Reading [policy]: all of its mistakes at once."""

from typing import Any

from understudy.config.file import PolicyTable, TimesTable, WindowTable
from understudy.config.mistakes import Mistakes
from understudy.config.reading import hint_of, number_of_bytes, of, seconds
from understudy.engine import ReplicationPolicy, Times, Window
from understudy.engine.policy import mistakes_in
from understudy.engine.units import minute_of
from understudy.errors import InvalidRequest

_WITHOUT_END = ("warning_rpo", "critical_rpo", "verify_every", "drill_every", "drill_warning", "immutable")


def policy_of(table: PolicyTable) -> ReplicationPolicy:
    """`Several`, or the one mistake, by its key."""
    mistakes, found = Mistakes(), dict[str, Any](app_every=table.app_every, second=table.second)
    for field in ("interval", *_WITHOUT_END):
        with mistakes.noted():
            found[field] = seconds(_key(field), getattr(table, field), zero=field in _WITHOUT_END)
    with mistakes.noted():
        found["rate"] = number_of_bytes("policy.rate", table.rate)
    windows = []
    for window in table.windows:
        with mistakes.noted():
            windows.append(_window(window))
    found["windows"] = tuple(windows)
    with mistakes.noted():
        found["drill_times"] = _times(table.drill_times) if table.drill_times else None
    # What could not be read stands as without it, so that the rest is looked at, too.
    policy = ReplicationPolicy(**found)
    for field, mistake in mistakes_in(policy):
        if field == "warning_rpo" and "interval" not in found:
            continue
        key = _key(field)
        mistakes.found.append(InvalidRequest(f"{key}: {mistake.message}", hint=hint_of(key) or mistake.hint))
    mistakes.tell()
    return policy


def _key(field: str) -> str:
    return "policy." + field.replace("windows.", "windows[].").replace("_", "-")


def _window(table: WindowTable) -> Window:
    _minutes("policy.windows[]", table.begin, table.end)
    return Window(begin=table.begin, end=table.end, rate=number_of_bytes("policy.windows[].rate", table.rate), days=table.days)


def _times(table: TimesTable) -> Times:
    _minutes("policy.drill-times", table.begin, table.end)
    return Times(begin=table.begin, end=table.end, days=table.days)


def _minutes(above: str, begin: str, end: str) -> None:
    for key, text in (("begin", begin), ("end", end)):
        of(f"{above}.{key}", lambda text=text: minute_of(text))  # type: ignore[misc]
