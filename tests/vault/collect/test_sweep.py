"""Changes laid on each other are the points' maps, whatever was written, resized, forked, dropped and mapped before."""

from dataclasses import replace

import numpy as np
import pytest

from tests.vault.test_chains import grow_history
from understudy.model import Rows
from understudy.native.layout import KIND_ZERO
from understudy.vault.collect import sweep
from understudy.vault.collect.marks import Marks
from understudy.vault.collect.remap import write_maps
from understudy.vault.collect.sweep import Change, changes
from understudy.vault.maps.diskmap import NO_ROWS, PackTable, differing, overlay, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.resolve import resolve
from understudy.vault.maps.selection import extents_of


async def swept(history: History, table: PackTable) -> list[Change]:
    return [change async for group in changes(history, table) for change in group]


async def check(history: History, truth: History) -> None:
    """The changes, laid on each other, are the maps that `truth`, which has none of its own, makes of footers; and all that is needed
    is marked."""
    table, marks = PackTable(), Marks()
    laid: dict[bytes | None, dict[bytes, Rows]] = {None: {}}
    for change in await swept(history, table):
        for rows in change.rows.values():
            marks.add(rows)
        below, point = laid[change.before], change.entry.point
        disks = below.keys() | change.rows.keys()
        laid[point.id] = {disk: overlay(below.get(disk, NO_ROWS), change.rows.get(disk, NO_ROWS)) for disk in disks}
        true = await resolve(truth, point.id)
        for disk in point.disks:
            mine = laid[point.id].get(disk.id, NO_ROWS)
            mine = mine[mine["kind"] != KIND_ZERO]
            theirs = repack(true.disks[disk.id].rows, true.disks[disk.id].packs, table)
            assert not len(differing(mine, theirs))
            assert np.array_equal(extents_of(mine), extents_of(theirs))
            for row in theirs:
                need = ((1 << int(row["blocks"])) - 1) << int(row["skip"])
                assert int(marks.of(int(row["pack"])).mask[row["number"]]) & need == need


def dropping(history: History, rng: np.random.Generator, part: float) -> History:
    """Some points dropped, never the newest."""
    return replace(history, points=tuple(entry for entry in history.points[:-1] if rng.random() > part) + history.points[-1:])


async def mapped(history: History) -> History:
    """With an operator's maps of all points that are kept."""
    table = PackTable()
    maps = [made async for made in write_maps(history, await swept(history, table), table, {})]
    assert len(maps) == len(history.points)
    return replace(history, maps={checkpoint.point: checkpoint for checkpoint in maps}, repack=1, checkpoints=())


@pytest.mark.parametrize("slight", [0, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
async def test_changes_are_what_points_have(monkeypatch: pytest.MonkeyPatch, seed: int, slight: float) -> None:
    monkeypatch.setattr(sweep, "TOGETHER", 5)
    rng = np.random.default_rng(seed)
    machine, _ = await grow_history(rng, 25, slight)
    everything = machine.history()
    truth = replace(everything, checkpoints=())
    await check(everything, truth)
    history = dropping(everything, rng, 0.5)
    await check(history, truth)
    # Maps of what is kept so far; the points after that are laid on one of them, kept or not.
    middle = len(history.points) // 2
    early = await mapped(replace(history, points=history.points[: middle + 1]))
    history = replace(history, maps=early.maps, repack=1, checkpoints=())
    for _ in range(3):
        await check(history, truth)
        history = dropping(history, rng, 0.4)
    history = await mapped(history)
    await check(history, truth)
    await check(dropping(history, rng, 0.5), truth)


@pytest.mark.parametrize("seed", range(2))
async def test_operators_maps_say_what_footers_say(seed: int) -> None:
    machine, _ = await grow_history(np.random.default_rng(100 + seed), 30)
    history = machine.history()
    told, truth = await mapped(history), replace(history, checkpoints=())
    for entry in history.points:
        said, true = await resolve(told, entry.point.id), await resolve(truth, entry.point.id)
        for disk in entry.point.disks:
            one, other, shared = said.disks[disk.id], true.disks[disk.id], PackTable()
            assert not len(differing(repack(one.rows, one.packs, shared), repack(other.rows, other.packs, shared)))


@pytest.mark.parametrize("dropped", [0, 0.7])
async def test_points_that_brought_little_are_read_together(monkeypatch: pytest.MonkeyPatch, dropped: float) -> None:
    monkeypatch.setattr(sweep, "TOGETHER", 5)
    rng = np.random.default_rng(7)
    machine, _ = await grow_history(rng, 60, 0.9)
    history = dropping(replace(machine.history(), checkpoints=()), rng, dropped)
    groups = [group async for group in changes(history, PackTable())]
    assert [change.entry for group in groups for change in group] == list(history.points)
    read, known = [], set[bytes]()
    for group in groups:
        read.append(0)
        for change in group:
            read[-1] += len(trace(history.entries, change.entry.point.id, known).entries)
            known.add(change.entry.point.id)
    # What is held at once is bounded, dropped points between kept ones included.
    assert max(number for number, group in zip(read, groups, strict=True) if len(group) > 1) <= 5
    assert max(map(len, groups)) > 1
    # What has packs of its own, of which each may be large, is read alone.
    assert {len(group) for group in groups if any(change.entry.point.packs for change in group)} == {1}
