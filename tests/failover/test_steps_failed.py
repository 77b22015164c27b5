"""A failover that failed in its midst: it goes on, or the operator thinks better of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.failover.doubles import Killed
from tests.failover.steps_world import Primary, Replicas, SiteB, begun, cancel, change, commit, fail_over, reprotect
from tests.vault.worlds import a_point
from understudy.engine import ChangePoint, FailOver
from understudy.errors import Conflict, Fenced, InDoubt, StoreUnavailable, TargetFailed, UnderstudyError
from understudy.failover import operations, steps
from understudy.failover.phase import phase_of
from understudy.failover.steps import Steps
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.log.machine_log import MachineLog


async def _no(*_: Any) -> None:
    raise TargetFailed("it does not")


@pytest.mark.parametrize(("then", "where", "epoch"), [(fail_over("unplanned"), "b", 2), (cancel, "a", 3), (change("01" * 16), "b", 3)])
async def test_its_record_was_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: Any, where: str, epoch: int) -> None:
    """The vault is lost at the record: the next thing that is said begins with finding out."""
    create = FileStore.create

    async def lost(store: FileStore, name: str, buffers: Sequence[bytes]) -> Any:
        if "/log/" in name:
            raise StoreUnavailable("it is away")
        return await create(store, name, buffers)

    async with begun(tmp_path, monkeypatch) as world:
        with monkeypatch.context() as patch:
            patch.setattr(FileStore, "create", lost)
            with pytest.raises(InDoubt):
                await world.say(fail_over("unplanned"), 0)
        await world.say(then, 0)
        await world.must_hold()
        state = world.primary.log.state
        assert (state.site, state.epoch, bool(world.host.alive)) == (where, epoch, where == "b")


@pytest.mark.parametrize(("then", "where"), [(cancel, "a"), (change("01" * 16), "b")])
async def test_what_does_not_start_is_cancelled_or_started_from_another_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: Any, where: str
) -> None:
    async with begun(tmp_path, monkeypatch) as world:
        with monkeypatch.context() as patch:
            patch.setattr(Replicas, "start", _no)
            with pytest.raises(TargetFailed):
                await world.say(fail_over("unplanned"), 0)
        await world.say(then, 0)
        await world.must_hold()
        assert (world.primary.log.state.site, bool(world.host.alive)) == (where, where == "b")


@pytest.mark.parametrize("mode", ["unplanned", "planned"])
async def test_what_was_decided_and_not_recorded_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with begun(tmp_path, monkeypatch) as world:
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "recorded", _no)
            with pytest.raises(UnderstudyError):
                await world.say(fail_over(mode, "02" * 16 if mode == "unplanned" else ""), 0)
        with pytest.raises(Conflict):
            await world.say(fail_over("unplanned"), 0)
        await world.say(cancel, 0)
        await world.must_hold()
        assert (world.primary.log.state.site, world.host.starts) == ("a", [])
        await world.say(fail_over("unplanned"), 0)
        await world.must_hold()
        assert phase_of(world.primary.log.state) == "failed_over"


async def test_nothing_is_committed_in_the_midst_of_another_points_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran is ended by then; said again it goes on."""
    async with begun(tmp_path, monkeypatch) as world:
        await world.say(fail_over("unplanned"), 0)
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "recorded", _no)
            with pytest.raises(TargetFailed):
                await world.say(change("01" * 16), 0)
        with pytest.raises(Conflict, match="has not ended"):
            await world.say(commit, 0)
        await world.say(change("01" * 16), 0)
        await world.say(commit, 0)
        await world.must_hold()


async def test_a_change_that_cannot_be_leaves_all_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was decided: what runs here runs on, and is accepted as if it had never been said; then it is not gone on with."""
    async with begun(tmp_path, monkeypatch) as world:
        await world.say(fail_over("unplanned"), 0)
        alive = set(world.host.alive)
        with monkeypatch.context() as patch:
            patch.setattr(SiteB, "prepare", _no)
            with pytest.raises(TargetFailed):
                await world.say(change("01" * 16), 0)
        assert set(world.host.alive) == alive
        await world.say(commit, 0)
        with pytest.raises(Conflict, match="committed"):
            await world.say(change("01" * 16), 0)
        await world.must_hold()
        assert (world.primary.log.state.site, set(world.host.alive)) == ("b", alive)


async def test_what_was_ended_for_a_point_that_could_not_be_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The point was dropped between the end of what ran and its record: who asks for what ran before is not told that it runs."""
    async with begun(tmp_path, monkeypatch) as world:
        await world.say(fail_over("unplanned"), 0)
        await world.say(change("01" * 16), 0)
        left, log = Steps.left, world.primary.log

        async def dropped(ended: Steps, deed: Any) -> Any:
            done = await left(ended, deed)
            await log.append(kinds.Prune(points=(b"\x02" * 16,)))
            return done

        with monkeypatch.context() as patch:
            patch.setattr(Steps, "left", dropped)
            with pytest.raises(Conflict, match="not kept"):
                await world.say(change("02" * 16), 0)
        assert world.host.alive == set()
        await world.say(change("01" * 16), 0)
        await world.must_hold()
        assert world.host.alive == {f"{log.machine_id[:12]}-4"}


async def test_a_primary_that_is_alive_makes_points_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest point is what was asked for, however often it is another one; and that is told."""
    made: list[bytes] = []

    async with begun(tmp_path, monkeypatch) as world:
        prepare, log = SiteB.prepare, world.primary.log

        async def late(site: SiteB, vault: Any, known: Any, entry: Any) -> Any:
            if len(made) < 2:
                newest = log.state.newest
                assert newest is not None
                made.append(bytes([16 + len(made)]) * 16)
                await log.append(a_point(made[-1], newest.point.id))
            return await prepare(site, vault, known, entry)

        monkeypatch.setattr(SiteB, "prepare", late)
        await world.say(fail_over("unplanned"), 0)
        await world.must_hold()
        entry = log.state.authority.failover
        assert entry is not None
        assert (entry.point, world.host.starts) == (made[-1], [f"{log.machine_id[:12]}-2"])


async def test_what_was_started_by_hand_where_it_was_shut_down_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with begun(tmp_path, monkeypatch) as world:
        look, log = Primary.look, world.primary.log

        async def started(primary: Primary) -> None:
            await look(primary)
            if final := log.state.authority.final:
                await log.append(kinds.Withdraw(point=final))

        monkeypatch.setattr(Primary, "look", started)
        with pytest.raises(Conflict, match="runs on at 'a'"):
            await world.say(fail_over("planned"), 0)
        assert (phase_of(log.state), log.state.site, world.host.starts) == ("protected", "a", [])


async def test_isolation_is_neither_cut_short_by_another_point_nor_lost_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def changed(site: Any) -> Any:
        return await operations.change_point(site, ChangePoint(machine="web", point="01" * 16), lambda now: heard.append(now.phase))

    async with begun(tmp_path, monkeypatch) as world:
        await world.primary.log.append(kinds.Isolation(after=1))
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "isolated", _no)
            with pytest.raises(TargetFailed):
                await world.say(fail_over("unplanned"), 0)
        monkeypatch.setattr(steps, "MARGIN", 0.0)
        await world.say(changed, 0)
        assert heard[-2:] == ["wait for isolation", "start"]
        await world.say(commit, 0)
        await world.say(reprotect, 0)
        await world.primary.log.refresh()
        assert world.primary.log.state.authority.isolation == 1


@pytest.mark.parametrize("between", ["c", "cd", "cdc"])
async def test_isolation_of_the_site_before_the_last_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """Site c took it from a, which may run it until its time is over, and was lost before it was committed there; others did the same."""
    heard: list[str] = []

    async def taken(site: Any) -> Any:
        said = FailOver(machine="web", mode="unplanned", point="")
        return await operations.fail_over(site, said, lambda now: heard.append(now.phase))

    async with begun(tmp_path, monkeypatch) as world:
        log = world.primary.log
        await log.append(kinds.Isolation(after=1))
        assert log.state.newest is not None
        for epoch, by in enumerate(between, 2):
            point = log.state.newest.point.id
            await log.append(kinds.Failover(epoch=epoch, site=by, point=point, mode="unplanned", id=bytes([epoch]) * 16))
        monkeypatch.setattr(steps, "MARGIN", 0.0)
        await world.say(taken, 0)
        assert heard[-3:] == ["wait for isolation", "stop", "start"]
        await world.say(commit, 0)
        await world.say(reprotect, 0)
        await log.refresh()
        assert (log.state.site, log.state.authority.isolation) == ("b", 1)


async def test_a_vault_that_is_away_while_isolation_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    refresh = MachineLog.refresh

    async def taken(site: Any) -> Any:
        said = FailOver(machine="web", mode="unplanned", point="")
        return await operations.fail_over(site, said, lambda now: heard.append(now.phase))

    async def away(log: MachineLog) -> None:
        if heard[-1:] == ["wait for isolation"]:
            raise StoreUnavailable("it is away")
        await refresh(log)

    async def nothing(_: Primary) -> None:
        pass

    async with begun(tmp_path, monkeypatch) as world:
        await world.primary.log.append(kinds.Isolation(after=1))
        monkeypatch.setattr(steps, "MARGIN", 0.0)
        monkeypatch.setattr(Primary, "look", nothing)
        monkeypatch.setattr(MachineLog, "refresh", away)
        await world.say(taken, 0)
        assert (heard[-1], len(world.host.alive)) == ("start", 1)


async def test_isolation_that_is_overruled_is_waited_for_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def taken(site: Any) -> Any:
        said = FailOver(machine="web", mode="unplanned", point="")
        return await operations.fail_over(site, said, lambda now: heard.append(now.phase))

    @contextmanager
    def waits(*_: Any) -> Iterator[Callable[[], bool]]:
        yield lambda: heard[-1] == "wait for isolation"

    async def nothing(_: Primary) -> None:
        pass

    async with begun(tmp_path, monkeypatch) as world:
        await world.primary.log.append(kinds.Isolation(after=3600))
        monkeypatch.setattr(Primary, "look", nothing)
        monkeypatch.setattr(SiteB, "waits", waits)
        await world.say(taken, 0)
        assert heard[-3:] == ["wait for isolation", "stop", "start"]


async def test_what_was_paused_there_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so to each that takes it; the one in between says nothing that counts for it."""
    async with begun(tmp_path, monkeypatch) as world:
        log = world.primary.log
        await log.append(kinds.Isolation(after=3600))
        assert log.state.newest is not None
        await log.append(kinds.Failover(epoch=2, site="c", point=log.state.newest.point.id, mode="unplanned", id=b"c" * 16))
        silent = ["c", "a"]

        async def look(_: Primary) -> None:
            if silent:
                await log.append(kinds.StandDown(site=silent.pop(0), epoch=3, running=False, text="it does not run"))

        monkeypatch.setattr(Primary, "look", look)
        await world.say(fail_over("unplanned"), 0)
        assert (silent, log.state.newest is not None) == ([], True)
        await log.append(kinds.Failover(epoch=4, site="d", point=log.state.newest.point.id, mode="unplanned", id=b"d" * 16))
        assert log.state.authority.failover is not None
        assert log.state.authority.failover.waits_for == ("b", 0)


async def test_isolation_that_was_set_after_it_was_decided_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def taken(site: Any) -> Any:
        said = FailOver(machine="web", mode="unplanned", point="02" * 16)
        return await operations.fail_over(site, said, lambda now: heard.append(now.phase))

    async with begun(tmp_path, monkeypatch) as world:
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "recorded", _no)
            with pytest.raises(TargetFailed):
                await world.say(taken, 0)
        await world.primary.log.append(kinds.Isolation(after=1))
        monkeypatch.setattr(steps, "MARGIN", 0.0)
        await world.say(taken, 0)
        assert heard[-3:] == ["wait for isolation", "stop", "start"]


@pytest.mark.parametrize("said", ["change", "cancel", "unplanned", "planned"])
async def test_what_was_begun_before_another_site_took_it_is_not_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    operation = {"change": change("02" * 16), "cancel": cancel, "unplanned": fail_over("unplanned"), "planned": fail_over("planned")}[said]
    met = 0
    for first in range(1, 100):
        async with begun(tmp_path_factory.mktemp("w"), monkeypatch) as world:
            if said in ("change", "cancel"):
                await world.say(fail_over("unplanned"), 0)
            try:
                await world.say(operation, first)
                break
            except Killed:
                pass
            log = world.primary.log
            await log.refresh()
            before = log.state
            assert before.newest is not None
            await log.append(kinds.Failover(epoch=before.epoch + 1, site="c", point=before.newest.point.id, mode="unplanned", id=b"c" * 16))
            starts = len(world.host.starts)
            with pytest.raises((Conflict, Fenced)):
                await world.say(operation, 0, again=True)
            await log.refresh()
            assert (log.state.site, log.state.epoch, len(world.host.starts)) == ("c", before.epoch + 1, starts), first
            met += 1
    assert met > 4
