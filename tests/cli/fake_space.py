"""What the engine in memory says of space."""

from collections.abc import Sequence

from understudy.engine import Collected, Machine, Point, PointUsage, Usage, Weight

NOTHING = Weight(objects=0, bytes=0)


def collected(dry_run: bool) -> Collected:
    return Collected(
        machine="web",
        dry_run=dry_run,
        deleted=Weight(objects=2, bytes=70000),
        condemned=Weight(objects=3, bytes=1 << 20),
        waiting=Weight(objects=1, bytes=4096),
        rewritten_packs=1,
        written_bytes=8192,
        swept=Weight(objects=400, bytes=2 << 20),
        trimmed=Weight(objects=100, bytes=1 << 19),
        seconds=0.5,
        locked=Weight(objects=5, bytes=20480),
    )


def usage(machine: Machine, points: Sequence[Point]) -> Usage:
    return Usage(
        machine=machine,
        dropped_points=2,
        logical_bytes=1 << 30,
        stored=Weight(objects=9, bytes=1 << 21),
        needed_bytes=1 << 20,
        shared_bytes=1 << 19,
        now=Weight(objects=2, bytes=70000),
        later=NOTHING,
        collectable=Weight(objects=3, bytes=1 << 20),
        moving_bytes=8192,
        unnamed=NOTHING,
        idle_bytes=9 << 20,
        log=Weight(objects=1500, bytes=6 << 20),
        trimmable=Weight(objects=500, bytes=5 << 19),
        points=tuple(PointUsage(point=point, logical_bytes=1 << 30, alone_bytes=4096) for point in points),
    )
