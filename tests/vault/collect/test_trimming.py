"""The log's old records go in time, with what travelled in them; whoever reads, writes, holds or collects meanwhile notices nothing."""

import asyncio
import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from tests.replication.world import read_point, scribble
from tests.vault.collect.stage import HOUR, Stage
from understudy.errors import Conflict, IntegrityError, NotFound
from understudy.replication.cycle import Replicator
from understudy.vault import kinds, names
from understudy.vault.collect.trimming import Tail
from understudy.vault.log.lists import CONDEMNED, encode_names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import put_side_object
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.reading import History, history_of

SHORT = Tail(4, 8)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    stage = await Stage.begin(tmp_path, np.random.default_rng(21))
    stage.tail = SHORT
    return stage


def numbers(stage: Stage) -> list[int]:
    return sorted(int(path.name) for path in (stage.world.root / "vault" / "machines").glob("*/log/*"))


async def head(stage: Stage) -> int:
    async with stage.operator() as (_, log):
        return log.head.seq


async def test_records_go_with_what_travelled_in_them(stage: Stage) -> None:
    await stage.cycles(20)
    await stage.prune((await stage.kept())[:15])
    at = await head(stage)
    done = await stage.collect()
    await stage.check()
    assert numbers(stage) == [1, *range(at - SHORT.behind + 1, await head(stage) + 1)]
    assert done.swept[0] == at - SHORT.behind - 1
    assert done.trimmed == (0, 0)
    assert done.rewritten > 1, "kept points need packs that travelled in them"
    length = await head(stage)
    again = await stage.collect()
    assert (again.swept, again.rewritten, await head(stage)) == ((0, 0), 0, length), "what a run says itself is not worth another trim"
    await stage.cycles(8)
    await stage.check()


async def test_not_one_of_the_newest_goes(stage: Stage) -> None:
    stage.tail = Tail(1000, 1)
    await stage.cycles(20)
    await stage.prune((await stage.kept())[:-1])
    assert (await stage.collect()).swept == (0, 0)
    assert numbers(stage) == list(range(1, await head(stage) + 1))


async def test_nothing_goes_before_its_grace_and_none_is_begun_anew(stage: Stage) -> None:
    await stage.cycles(20)
    async with stage.operator("reader") as (vault, log):
        first = await stage.collect(grace=HOUR)
        assert first.trimmed[0] > 8
        assert first.swept == (0, 0)
        stage.uptime += HOUR - 1
        await stage.cycles(12)
        second = await stage.collect(grace=HOUR)
        assert (second.swept, second.trimmed) == ((0, 0), first.trimmed), "not trimmed further: that would begin another grace"
        for entry in log.state.points:
            assert await read_point(vault, log, entry) == stage.held[entry.point.id.hex()], "who resolved it before goes on"
    assert 2 in numbers(stage)
    stage.uptime += 1
    assert (await stage.collect(grace=HOUR, state="elsewhere")).swept == (0, 0), "another host has not seen it for an hour"
    stage.boot, stage.uptime = "second", 5.0
    third = await stage.collect(grace=HOUR)
    assert third.swept == first.trimmed, "the hour was over when this host was started anew"
    assert third.trimmed[0] > 0, "now the next"
    await stage.check()


async def test_a_dry_run_says_what_a_run_does(stage: Stage) -> None:
    await stage.cycles(20)
    await stage.prune((await stage.kept())[:15])
    for grace in (HOUR, HOUR, 0):
        async with stage.operator() as (vault, log):
            would = (await stage.collector(vault, log, grace).survey()).would
        done = await stage.collect(grace)
        assert (would.swept, would.trimmed, would.rewritten) == (done.swept, done.trimmed, done.rewritten)
        stage.uptime += HOUR


async def test_a_hold_keeps_the_record_that_its_point_needs(stage: Stage) -> None:
    await stage.cycles(12)
    kept = await stage.kept()
    identity = await stage.hold(kept[4])
    async with stage.operator("exporter") as (vault, log):
        (needed,) = [entry for entry in log.state.points if entry.point.id.hex() == kept[4]]
        await stage.cycles(12)
        await stage.prune(kept)
        await stage.collect()
        await stage.cycles(1)
        await stage.collect()
        assert numbers(stage)[1] <= needed.seq
        assert (await read_point(vault, log, needed)) == stage.held[kept[4]], "by maps of long ago"
    async with stage.operator() as (_, log):
        await log.append(kinds.Hold(id=identity, point=bytes.fromhex(kept[4]), reason="", lifted=True))
    await stage.collect()
    assert numbers(stage)[1] > needed.seq
    await stage.check()


async def test_a_site_that_was_away_meanwhile(stage: Stage) -> None:
    """Its rollback guard remembers a record that is gone; so does a process that goes on with what it has read."""
    await stage.cycles(8)
    async with stage.operator("away") as (_, log):
        for _ in range(3):
            await stage.cycles(12)
            await stage.collect()
        assert log.head.seq not in numbers(stage)
        await log.refresh()
        await log.append(kinds.Note(text="here again"))
    async with stage.operator("away") as (vault, log):
        for entry in log.state.points:
            assert await read_point(vault, log, entry) == stage.held[entry.point.id.hex()]


async def test_who_knows_only_what_is_gone_is_told(stage: Stage) -> None:
    await stage.cycles(12, writes=1)
    async with stage.operator("reader") as (_, log):
        entry = next(entry for entry in log.state.points if entry.inlined)
        await stage.collect()
        log._inline._packs.clear()
        with pytest.raises(IntegrityError, match="gone since the log was read") as caught:
            await log.inline(entry.seq)
        assert "try again" in str(caught.value.hint)


async def test_packs_of_trimmed_points_go_like_others(stage: Stage) -> None:
    """Their names are in maps only; the machine need not make another point first."""
    await stage.cycles(12, writes=60)
    assert sum(name.startswith("packs/") for name in stage.stored()) > 10
    await stage.collect()
    assert numbers(stage)[1] > 8, "trimmed"
    await stage.prune((await stage.kept())[:-1])
    await stage.collect()
    await stage.check()
    packs = sum(size for name, size in stage.stored().items() if name.startswith("packs/"))
    assert packs < 2 * 620_000


async def test_a_condemned_list_that_is_named_again_holds_nothing_back(stage: Stage) -> None:
    """An operator put it, stalled for longer than the grace, and went on when it was condemned and not deleted yet."""
    await stage.cycles(6)
    async with stage.operator("stalled") as (vault, stalled):
        owner = names.machine(stalled.machine_id)
        listed = encode_names(["packs/" + "5a" * 16])
        ref = await put_side_object(vault.store, vault.access, owner, CONDEMNED, listed)
        name = f"objects/{ref.hash.hex()}"
        for _ in range(2):
            stage.uptime += HOUR
            await stage.collect(grace=HOUR)
            await stage.cycles(1)
        async with stage.operator() as (_, log):
            assert any(name in condemned.names for condemned in log.state.condemned)
        await stalled.append(kinds.Condemn(objects=ref, grace=HOUR))
    for _ in range(5):
        await stage.cycles(6)
        stage.uptime += HOUR
        await stage.collect(grace=HOUR)
    await stage.check()
    assert numbers(stage)[1] > await head(stage) - 30
    assert name not in stage.stored(), "garbage in the end"


async def test_a_sources_shortcut_and_a_failover_before_the_trim(stage: Stage) -> None:
    await stage.cycles(10)
    kept = await stage.kept()
    await stage.shortcut(kept[5])
    await stage.prune(kept[:5])
    await stage.collect()
    await stage.shortcut(kept[-1])
    await stage.cycles(10)
    await stage.collect()
    await stage.check()


async def test_two_sites_collect_while_a_third_writes(stage: Stage) -> None:
    """No collector ends in an error, but for one that is told of the other; points go on being made, and each is what it was."""
    await stage.cycles(8)

    async def write(replicator: Replicator) -> None:
        for _ in range(6):
            scribble(stage.world.disk("vda"), stage.rng, 3)
            report = await replicator.cycle()
            stage.held[report.point] = {"vda": stage.world.disk("vda").read_bytes()}

    async def collect(state: str) -> int:
        async with stage.operator(state) as (vault, log):
            await prune_some(stage, log)
            with contextlib.suppress(Conflict):  # each is in the other's way all the time
                return (await stage.collector(vault, log, HOUR, state).run()).swept[0]
        return 0

    swept = 0
    async with stage.world.replicator() as replicator:
        await replicator.open()
        for _ in range(6):
            async with asyncio.TaskGroup() as group:
                group.create_task(write(replicator))
                tasks = [group.create_task(collect(state)) for state in ("operator", "elsewhere")]
            swept += sum(task.result() for task in tasks)
            stage.uptime += HOUR
            await stage.check()
    assert swept > 8


async def prune_some(stage: Stage, log: MachineLog) -> None:
    going = [entry.point.id for entry in log.state.points[:-3] if stage.rng.random() < 0.3]
    if going:
        await log.append(kinds.Prune(points=tuple(going)))


async def test_a_dropped_and_trimmed_point_is_not_just_unknown(stage: Stage) -> None:
    await stage.cycles(14)
    kept = await stage.kept()
    await stage.prune(kept[:3])
    async with stage.operator() as (vault, log):
        with pytest.raises(NotFound, match="was dropped by retention on"):
            history_of(vault, log).find(bytes.fromhex(kept[0]))
    await stage.collect()
    async with stage.operator() as (vault, log):
        with pytest.raises(NotFound, match="pruning dropped it"):
            history_of(vault, log).find(bytes.fromhex(kept[0]))


async def test_a_cycle_goes_on_where_a_collection_takes_what_its_shortcut_is_made_of(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.cycles(20)
    await stage.prune((await stage.kept())[:15])
    await stage.collect()
    collected = []

    async def late(history: History, point: bytes) -> kinds.Checkpoint:
        await stage.prune((await stage.kept())[:-3])
        collected.append(await stage.collect())
        return await take_checkpoint(history, point)

    monkeypatch.setattr("understudy.replication.cycle.take_checkpoint", late)
    await stage.cycles(20)
    assert collected
    await stage.check()
