"""A machine whose log says more by the time its host reads it again, since that was cut off or busy: a real QEMU without a guest, and a
real vault."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.daemon.test_isolation import asked, isolation, wait_for_stop
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.daemon import isolation as isolation_module
from understudy.daemon import standing_down
from understudy.daemon.failing_over import FailingOver
from understudy.daemon.sentinel import Sentinel
from understudy.engine import FailOver, QemuSource
from understudy.errors import Busy, Fenced, InDoubt
from understudy.failover import operations
from understudy.failover.duty import Nothing
from understudy.failover.phase import SHUTDOWN
from understudy.failover.stopped_file import read_stopped, write_stopped
from understudy.local.claims import expect_claim
from understudy.local.machine_file import write_source
from understudy.local.site import Site
from understudy.qemu import power
from understudy.qemu.listener import listener
from understudy.qemu.session import QmpSession
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

ASKED, LAST = b"r" * 16, b"\xff" * 16


@dataclass
class Home:
    """Site a, whose machine's QEMU listens at `qmp`."""

    log: MachineLog
    directory: Path
    sentinel: Sentinel
    track: Any
    qmp: str

    async def cut_off(self) -> None:
        """Its time is over, and it is paused as it can be."""
        known = self.sentinel.isolation
        await known.seen(self.log.machine_id, "web", self.qmp, 5, clock() - 60)
        await known._pause(known._cuts[self.log.machine_id])

    async def look(self) -> None:
        await self.sentinel._look(self.track)

    @property
    def paused(self) -> str:
        return self.sentinel.isolation.paused(self.log.machine_id)


@pytest.fixture
async def home(tmp_path: Path, qmp: str) -> AsyncIterator[Home]:
    store = FileStore(tmp_path / "vault", make=True)
    vault, site = await Vault.create(store, UNLOCK, state=tmp_path / "a", patience=QUICK), Site("a", tmp_path / "a")
    log = await vault.protect("web", "a")
    expect_claim(vault.id, log, site)
    await log.claim("a")
    await log.append(kinds.Isolation(after=5))
    await log.append(a_point(b"p" * 16))
    directory = site.directory(vault.id, log.machine_id)
    directory.mkdir(parents=True, exist_ok=True)
    write_source(directory, QemuSource(qmp=qmp))

    async def looked(machine: str, **_: Any) -> tuple[Vault, MachineLog]:
        return vault, await vault.find(machine)

    async def nothing(*_: Any) -> SimpleNamespace:
        return SimpleNamespace(known={}, unread={})

    @asynccontextmanager
    async def own(_: str) -> AsyncIterator[None]:
        yield

    async def id_of(_: str) -> str:
        return log.machine_id

    engine = SimpleNamespace(site=site, glanced=looked, watched=looked, log_of=looked, id_of=id_of)
    track = SimpleNamespace(id=log.machine_id, name="web", halted=None, failure=None)
    machines = SimpleNamespace(halt=lambda _, reason: setattr(track, "halted", reason), aside=own, begun=True, tracks=[])
    replicas = SimpleNamespace(find=nothing, sockets=lambda _: (tmp_path, tmp_path))
    journal = SimpleNamespace(tell=lambda *_, **__: None)
    yield Home(log, directory, Sentinel(*cast(Any, (engine, machines, journal, replicas, None))), track, qmp)
    await store.close()


async def was_shut_down(home: Home) -> None:
    """Paused in the midst of its shutdown, for which it was ended by force; its last point is made, and all is said."""
    await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b", force=True))
    write_stopped(home.directory, ASKED.hex())
    await home.cut_off()
    await home.log.append(a_point(LAST, b"p" * 16, final=True))


def failing_over_at(home: Home) -> FailingOver:
    made = FailingOver(*cast(Any, (home.sentinel._engine, home.sentinel._machines, None, home.sentinel._replicas, None, None)))
    made.arms = home.sentinel.isolation.arm
    return made


@pytest.mark.parametrize("said", [True, False], ids=["and that was said", "and that was not said yet"])
async def test_what_has_made_its_last_point_does_not_run_on(home: Home, said: bool) -> None:
    await was_shut_down(home)
    if said:
        await home.log.append(kinds.Answer(id=ASKED, outcome="done"))
    for _ in range(2):
        await home.look()
        assert (await asked(home.qmp), home.paused) == ("paused", "")
    await home.log.refresh()
    assert [request.outcome for request in home.log.state.authority.requests] == ["done"]
    assert home.log.state.authority.final == LAST
    # It is not wanted any more: then it does.
    await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b", cancelled=True))
    await home.look()
    await home.log.refresh()
    assert (await asked(home.qmp), home.log.state.authority.final, read_stopped(home.directory)) == (power.RUNNING, b"", "")


async def test_what_is_paused_when_it_is_to_be_shut_down_goes_on_first(home: Home) -> None:
    await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b", force=True))
    write_stopped(home.directory, ASKED.hex())
    await home.cut_off()
    log = await cast(Any, home.sentinel)._engine.log_of(home.log.machine_id)
    await home.sentinel._shut_down(home.track, log[0], home.log.state.authority.requests[0])
    await home.log.refresh()
    assert (await asked(home.qmp), home.paused, home.log.state.authority.final) == ("paused", "qmp", b"")


async def test_no_guest_is_shut_down_for_what_was_taken_back_while_its_changes_were_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b"))

    async def cycle(*_: Any) -> None:
        await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b", cancelled=True))

    async def shut_down(*_: Any, **__: Any) -> str:
        raise AssertionError("nobody wants it")

    cast(Any, home.sentinel)._machines.cycle = cycle
    monkeypatch.setattr(power, "shut_down", shut_down)
    await home.look()
    assert read_stopped(home.directory)
    await home.look()
    assert (await asked(home.qmp), read_stopped(home.directory)) == (power.RUNNING, "")


async def test_what_was_shut_down_and_is_started_by_hand_is_not_failed_over_to_its_last_point(home: Home) -> None:
    await home.log.append(kinds.Request(id=ASKED, action=SHUTDOWN, site="a", by="b"))
    write_stopped(home.directory, ASKED.hex())
    await home.log.append(a_point(LAST, b"p" * 16, final=True))
    await home.log.append(kinds.Answer(id=ASKED, outcome="done"))
    assert await asked(home.qmp) == power.RUNNING
    await home.look()
    await home.log.refresh()
    assert home.log.state.authority.final == b""
    await home.look()
    assert (await asked(home.qmp), read_stopped(home.directory)) == (power.RUNNING, "")


async def test_an_orderly_end_stays_one_when_its_failover_is_committed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_down, "AGAIN", 0.0)
    await asked(home.qmp, "stop")
    await was_shut_down(home)
    await home.log.append(kinds.Answer(id=ASKED, outcome="done"))
    await home.log.append(kinds.Failover(epoch=2, site="b", point=LAST, mode="planned", id=b"i" * 16))
    await home.look()
    assert home.track.halted.health == "warning"
    await home.log.append(kinds.Commit(epoch=2))
    for _ in range(2):
        await home.look()
        assert (home.track.halted.code, home.track.halted.health) == ("superseded", "warning")


async def test_what_comes_back_unplanned_was_shut_down_for_nothing(home: Home) -> None:
    await was_shut_down(home)
    await home.log.append(kinds.Failover(epoch=2, site="b", point=LAST, mode="planned", id=b"i" * 16))
    await home.log.append(kinds.Failover(epoch=3, site="a", point=LAST, mode="unplanned", id=b"j" * 16))
    await home.log.append(kinds.Commit(epoch=3))
    engine, replicas = home.sentinel._engine, home.sentinel._replicas
    failing_over = FailingOver(*cast(Any, (engine, None, None, replicas, None, None)))
    vault, log = await engine.watched(home.log.machine_id)
    await failing_over.follow(vault, log, home.directory, "run")
    assert isinstance((await home.sentinel._duties.now(home.log.machine_id))[2], Nothing)


@pytest.mark.parametrize(("before", "said", "held_to"), [(0, 60, 60), (60, 5, 5), (5, 60, 5), (5, 0, 5)])
async def test_what_others_may_go_by_is_held_to_before_it_is_said(
    home: Home, monkeypatch: pytest.MonkeyPatch, before: int, said: int, held_to: int
) -> None:
    await home.log.append(kinds.Isolation(after=before))
    await home.look()
    failing_over = failing_over_at(home)

    async def cut_off(*_: Any) -> None:
        raise InDoubt("whether it is there is not known")

    monkeypatch.setattr(MachineLog, "append", cut_off)
    with pytest.raises(InDoubt):
        await failing_over.set_isolation(home.log.machine_id, said)
    again = isolation(home.sentinel.isolation._directory)
    assert (home.sentinel.isolation.after(home.log.machine_id), again.after(home.log.machine_id)) == (held_to, held_to)
    if held_to != before:
        # Also where it is not followed yet.
        await home.sentinel._forget_departed()
        assert home.sentinel.isolation.after(home.log.machine_id) == held_to
    await home.look()
    assert home.sentinel.isolation.after(home.log.machine_id) == before


async def test_a_look_at_what_the_log_said_before_changes_nothing_of_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host may be cut off right after it was said, and it is by what was said then that others start the machine."""
    await home.log.append(kinds.Isolation(after=0))
    failing_over, known = failing_over_at(home), home.sentinel.isolation
    append, early = MachineLog.append, clock()

    async def looked_at(log: MachineLog, *body: Any) -> Any:
        await home.look()
        assert known.after(home.log.machine_id) == 60
        done = await append(log, *body)
        await known.seen(home.log.machine_id, "web", home.qmp, 0, early)
        return done

    monkeypatch.setattr(MachineLog, "append", looked_at)
    await failing_over.set_isolation(home.log.machine_id, 60)
    await known.seen(home.log.machine_id, "web", home.qmp, 0, early)
    assert known.after(home.log.machine_id) == 60
    await home.look()
    assert known.after(home.log.machine_id) == 60


async def test_nobody_is_isolated_by_the_site_that_it_was_taken_from(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await home.log.append(kinds.Isolation(after=0))
    append = MachineLog.append

    async def late(log: MachineLog, *body: Any) -> Any:
        await append(home.log, kinds.Failover(epoch=2, site="b", point=b"p" * 16, mode="unplanned", id=b"i" * 16))
        return await append(log, *body)

    monkeypatch.setattr(MachineLog, "append", late)
    with pytest.raises(Fenced):
        await failing_over_at(home).set_isolation(home.log.machine_id, 60)
    await home.log.refresh()
    assert (home.log.state.site, home.log.state.authority.isolation) == ("b", 0)


async def test_what_is_cut_off_while_it_is_reprotected_goes_on_when_the_vault_is_back(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """That job has failed, and nobody says it again."""
    await home.log.append(kinds.Isolation(after=0))
    failing_over = failing_over_at(home)
    followed: list[str] = []
    sentinel = cast(Any, home.sentinel)

    async def follow(machine: str) -> None:
        followed.append(machine)

    async def cut_off(*_: Any) -> None:
        raise InDoubt("whether it is there is not known")

    sentinel._machines.follow = follow
    cast(Any, failing_over)._replicas = SimpleNamespace(sockets=lambda _: (Path(home.qmp), Path(home.qmp)))
    with monkeypatch.context() as patch:
        patch.setattr(MachineLog, "append", cut_off)
        with pytest.raises(InDoubt) as failed:
            await failing_over.isolate(home.log, "run", 60)
    assert (followed, "understudy isolation web 60s" in failed.value.hint) == ([home.log.machine_id], True)
    await home.cut_off()
    assert await asked(home.qmp) == "paused"
    await home.look()
    assert (await asked(home.qmp), sentinel.isolation.after(home.log.machine_id)) == (power.RUNNING, 0)


async def test_force_ends_a_wait_that_is_under_way(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says it is told how that one ended."""
    said: list[bool] = []
    failing_over, waits = failing_over_at(home), asyncio.Event()

    async def fail_over(site: FailingOver, request: FailOver, *_: Any, again: bool) -> Any:
        said.append(request.force)
        if len(said) == 1:
            with site.waits(home.log) as overruled:
                waits.set()
                await site._waits[home.log.machine_id].wait()
                assert overruled()
        elif len(said) < 4:
            raise Busy("it is under way")
        return "it runs"

    def unplanned(*, force: bool) -> Any:
        return failing_over.fail_over(FailOver(machine="web", mode="unplanned", point="", force=force), lambda _: None)

    monkeypatch.setattr(operations, "fail_over", fail_over)
    first = asyncio.create_task(unplanned(force=False))
    await waits.wait()
    with pytest.raises(Busy):
        await unplanned(force=False)
    assert (await unplanned(force=True), await first) == ("it runs", "it runs")


async def test_what_cannot_be_told_to_stop_is_stopped_when_its_time_is_over(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another site has it by then, and goes by that."""
    monkeypatch.setattr(cast(Any, QmpSession.connect).__func__, "__defaults__", (0.1,))
    monkeypatch.setattr(isolation_module, "PROMPT", 0.2)
    pid = listener(home.qmp)
    await home.sentinel.isolation.seen(home.log.machine_id, "web", home.qmp, 5, clock() - 60)
    await home.log.append(kinds.Failover(epoch=2, site="b", point=b"p" * 16, mode="unplanned", id=b"i" * 16))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(home.qmp)
        await home.look()
        await home.log.refresh()
        assert [stood.running for stood in home.log.state.authority.stood] == [True]
        known = home.sentinel.isolation
        await known._pause(known._cuts[home.log.machine_id])
        wait_for_stop(pid)
        await home.look()
    await home.log.refresh()
    assert [stood.running for stood in home.log.state.authority.stood] == [False]


async def test_what_was_about_to_be_stopped_and_runs_is_not_said_to_stand_still(home: Home) -> None:
    """The daemon was killed between its record and the signal, or the signal was not allowed, or QEMU was started anew since."""
    known = home.sentinel.isolation
    await known.seen(home.log.machine_id, "web", home.qmp, 5, clock() - 60)
    await known._intend(known._cuts[home.log.machine_id], isolation_module.BY_SIGNAL)
    await home.log.append(kinds.Failover(epoch=2, site="b", point=b"p" * 16, mode="unplanned", id=b"i" * 16))
    await home.look()
    await home.log.refresh()
    assert [stood.running for stood in home.log.state.authority.stood] == [False]
    assert (await asked(home.qmp), home.paused) == ("paused", "")
