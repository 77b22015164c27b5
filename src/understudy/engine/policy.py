"""How a machine is replicated: when, how fast, and what is too late."""

from typing import Literal, TypeAlias

from understudy.engine.values import Value

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Window(Value, frozen=True):
    """On these days (empty: all), from one local time of day to another ("22:00" to "06:00" crosses midnight), data is sent no faster than
    `rate` bytes a second; 0: not at all."""

    begin: str
    end: str
    rate: int
    days: tuple[Day, ...] = ()


class ReplicationPolicy(Value, frozen=True):
    """A machine's policy. Durations in seconds, rates in bytes a second.

    warning_rpo, critical_rpo: ages of the newest point at which a machine's health is Warning or Critical; 0: derived from `interval`.
    app_every: every Nth point is app-consistent; 0: none. rate: 0 is unlimited; the host's own limit holds beside it.
    initial_at: wall-clock ns before which the initial replication does not begin; None: now.
    verify_every: the newest point is proven by its digest when the newest verified one is older; 0: never.
    """

    interval: float = 60.0
    warning_rpo: float = 0.0
    critical_rpo: float = 0.0
    app_every: int = 0
    rate: int = 0
    windows: tuple[Window, ...] = ()
    initial_at: int | None = None
    verify_every: float = 86400.0
    paused: bool = False
    """No cycles, by an operator's wish."""
