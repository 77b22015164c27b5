"""Which points stay: policies, prunes and holds."""

from understudy.engine.values import Value


class Policy(Value, frozen=True):
    """Every point of the newest `all_for` seconds; the newest of each of so many hours, days, weeks, months; never fewer than `least`."""

    all_for: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    least: int = 1


class SetRetention(Value, frozen=True):
    """From now on `policy` says which points of a machine a prune keeps."""

    machine: str
    policy: Policy


class Retention(Value, frozen=True):
    """`policy` None: nothing was ever set, and everything stays."""

    machine: str
    policy: Policy | None


class Prune(Value, frozen=True):
    """Drop the points that a machine's policy does not keep; `dry_run`: only say which."""

    machine: str
    dry_run: bool = False


class Decided(Value, frozen=True):
    """What becomes of one point. `reasons`: all that keeps it, or the one that explains why nothing does."""

    number: int
    id: str
    frozen_at: int
    keep: bool
    reasons: tuple[str, ...]


class Pruned(Value, frozen=True):
    """Every point of a machine, oldest first; those that are not kept were dropped, unless this was a dry run."""

    machine: str
    dry_run: bool
    policy: Policy | None
    points: tuple[Decided, ...]


class AddHold(Value, frozen=True):
    """Keep a point whatever a policy says."""

    machine: str
    point: str
    reason: str


class RemoveHold(Value, frozen=True):
    """`hold`: the beginning of its id."""

    machine: str
    hold: str


class Hold(Value, frozen=True):
    """`number` is that of its point, 0 if that does not exist."""

    id: str
    machine: str
    point: str
    number: int
    reason: str
