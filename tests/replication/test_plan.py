"""What a cycle does with each disk, as a table."""

import numpy as np
import pytest

from understudy.model import Changes, DiskInfo, Lost, Tracked, Untracked
from understudy.replication.plan import Cause, DiskPlan, disk_plan, lineage
from understudy.vault.kinds import PointDisk

SIZE = 10 * 4096
NEW = b"n" * 16
OLD = b"o" * 16
TRACKED = Tracked(np.array([[2, 3], [8, 9]], dtype=np.int64))


def parent(size: int = SIZE, sector: int = 512) -> PointDisk:
    return PointDisk(id=OLD, name="vda", size=size, sector=sector, digest=bytes(16))


def info(size: int = SIZE, sector: int = 512, name: str = "vda") -> DiskInfo:
    return DiskInfo(name, size, sector)


@pytest.mark.parametrize(
    ("disk", "before", "changes", "cause", "words", "tracked"),
    [
        (info(), None, TRACKED, Cause.INITIAL, "", None),
        (info(), parent(), TRACKED, Cause.DELTA, "", [[2, 3], [8, 2]]),
        (info(), parent(), Untracked(), Cause.DELTA, "", None),
        (info(), parent(), Lost("QEMU was restarted"), Cause.RESYNC, "QEMU was restarted", None),
        (info(), parent(size=SIZE - 1), TRACKED, Cause.RESYNC, "resized", None),
        (info(), parent(sector=4096), TRACKED, Cause.RESYNC, "sectors", None),
    ],
)
def test_disk_plan(
    disk: DiskInfo, before: PointDisk | None, changes: Changes, cause: Cause, words: str, tracked: list[list[int]] | None
) -> None:
    plan = disk_plan(disk, before, changes, NEW)
    assert plan.cause is cause
    assert words in plan.reason
    assert bool(plan.reason) == bool(words)
    assert plan.id == (OLD if before else NEW)
    assert (plan.tracked.tolist() if plan.tracked is not None else None) == tracked


def a_plan(cause: Cause, reason: str = "", name: str = "vda") -> DiskPlan:
    return DiskPlan(OLD, info(name=name), None, cause, reason, None)


def test_first_point_begins_a_generation() -> None:
    assert lineage([a_plan(Cause.INITIAL)], [], None, NEW) == (lineage([], [], None, NEW))
    assert lineage([a_plan(Cause.INITIAL)], [], None, NEW).cause is Cause.INITIAL


def test_a_plain_delta_stays_in_its_generation() -> None:
    found = lineage([a_plan(Cause.DELTA), a_plan(Cause.DELTA)], [], OLD, NEW)
    assert (found.cause, found.reason, found.generation) == (Cause.DELTA, "", OLD)


@pytest.mark.parametrize(
    ("plans", "gone", "words"),
    [
        ([a_plan(Cause.RESYNC, "lost"), a_plan(Cause.RESYNC, "lost")], [], "lost"),
        ([a_plan(Cause.DELTA), a_plan(Cause.INITIAL, name="vdb")], [], "disk vdb was added"),
        ([a_plan(Cause.DELTA)], ["vdc"], "disk vdc was removed"),
        ([a_plan(Cause.RESYNC, "a"), a_plan(Cause.RESYNC, "b")], [], "a; b"),
    ],
)
def test_any_break_begins_a_generation_and_says_why(plans: list[DiskPlan], gone: list[str], words: str) -> None:
    found = lineage(plans, gone, OLD, NEW)
    assert (found.cause, found.reason, found.generation) == (Cause.RESYNC, words, NEW)


def test_a_disk_that_was_left_out_is_told_from_one_that_is_gone() -> None:
    found = lineage([a_plan(Cause.DELTA)], ["vdb", "vdc"], OLD, NEW, ["vdb", "vdx"])
    assert found.reason == "disk vdb was excluded; disk vdc was removed"
