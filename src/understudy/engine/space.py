"""Space: what a machine takes in the vault, for whom, and what comes back."""

from understudy.engine.answers import Machine, Point
from understudy.engine.values import Value


class Collect(Value, frozen=True):
    """Give back what no kept point of a machine needs. `grace_seconds`: for so long readers may go on reading what is condemned now.
    `dry_run`: only say what would be done."""

    machine: str
    grace_seconds: int
    dry_run: bool = False


class Weight(Value, frozen=True):
    objects: int
    bytes: int


class Collected(Value, frozen=True):
    """`deleted`: gone. `condemned`: goes when its grace has passed. `waiting`: condemned by an earlier run, its grace has not passed.
    `rewritten_packs`: mostly dead ones whose needed part was moved, into `written_bytes`. `swept`: the log's records that are gone;
    `trimmed`: those of which nobody needs anything any more, and which go when their grace has passed. `locked`: condemned, and held by the
    store: it goes when its locks have ended."""

    machine: str
    dry_run: bool
    deleted: Weight
    condemned: Weight
    waiting: Weight
    rewritten_packs: int
    written_bytes: int
    swept: Weight
    trimmed: Weight
    seconds: float
    locked: Weight = Weight(objects=0, bytes=0)


class PointUsage(Value, frozen=True):
    """`logical_bytes`: its disks. `alone_bytes`: what no other kept point needs; dropping it frees about as much."""

    point: Point
    logical_bytes: int
    alone_bytes: int


class Usage(Value, frozen=True):
    """A machine's space in the vault. `stored`: everything. `needed_bytes` of it hold what kept points need, `shared_bytes` of those for
    more than one of them. `now`: due for deletion; `later`: condemned, its grace has not passed; `collectable`: the next collection
    condemns it, after moving `moving_bytes` of it that are needed. `unnamed`: of cycles under way or that failed. `idle_bytes`: needed
    by nobody, inside packs that are. `log`: records, with the small packs in them; `trimmable`: those that go by and by."""

    machine: Machine
    dropped_points: int
    logical_bytes: int
    stored: Weight
    needed_bytes: int
    shared_bytes: int
    now: Weight
    later: Weight
    collectable: Weight
    moving_bytes: int
    unnamed: Weight
    idle_bytes: int
    log: Weight
    trimmable: Weight
    points: tuple[PointUsage, ...]
