"""A VM that is paused when its host is cut off: a real QEMU without a guest, and a daemon that is killed around the pause."""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from understudy.daemon import isolation as module
from understudy.daemon.isolation import Isolation
from understudy.qemu import power
from understudy.qemu.listener import listener
from understudy.qemu.session import QmpSession
from understudy.vault.log.chain import clock

CONTEXT = multiprocessing.get_context("forkserver")


@asynccontextmanager
async def aside(*_: Any) -> AsyncIterator[None]:
    """Nobody else wants the machine."""
    yield


@asynccontextmanager
async def never(*_: Any) -> AsyncIterator[None]:
    """A cycle does not come to its end."""
    await asyncio.Event().wait()
    yield


def isolation(directory: Path, told: list[str] | None = None, aside: Any = aside) -> Isolation:
    journal = SimpleNamespace(tell=lambda kind, severity, message, **_: told.append(message) if told is not None else None)
    made = Isolation(directory, aside, cast(Any, journal))
    made.load()
    return made


async def asked(qmp: str, *commands: str) -> str:
    """Its status after these."""
    session = await QmpSession.connect(qmp)
    try:
        for command in commands:
            await session.execute(command)
        return await power.status(session)
    finally:
        await session.close()


def wait_for_stop(pid: int | None) -> None:
    assert pid
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


async def cut_off(made: Isolation, qmp: str) -> None:
    """It is seen for the last time, and then looked at as when its time is over."""
    await made.seen("web", "web", qmp, 5, clock() - 60)
    await made._pause(made._cuts["web"])


def killed_around_the_pause(directory: Path, qmp: str, *, done: bool) -> None:
    execute = QmpSession.execute

    async def deadly(self: QmpSession, command: str, *arguments: Any) -> Any:
        if command == "stop" and not done:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await execute(self, command, *arguments)
        if command == "stop":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    QmpSession.execute = deadly  # type: ignore[method-assign]
    asyncio.run(cut_off(isolation(directory), qmp))


@pytest.mark.parametrize("done", [False, True])
async def test_a_daemon_that_is_killed_around_it_lets_the_machine_go_on_when_it_is_back(tmp_path: Path, qmp: str, done: bool) -> None:
    daemon = CONTEXT.Process(target=killed_around_the_pause, args=(tmp_path, qmp), kwargs={"done": done})
    daemon.start()
    await asyncio.to_thread(daemon.join)
    assert (daemon.exitcode, await asked(qmp)) == (-signal.SIGKILL, "paused" if done else "running")
    again = isolation(tmp_path)
    assert again.paused("web")
    await again.seen("web", "web", qmp, 5, clock())
    await again.go_on("web")
    assert (await asked(qmp), again.paused("web"), isolation(tmp_path).paused("web")) == ("running", "", "")


async def test_what_stood_still_already_is_not_let_go_on(tmp_path: Path, qmp: str) -> None:
    await asked(qmp, "stop")
    made = isolation(tmp_path)
    await cut_off(made, qmp)
    assert (made.paused("web"), isolation(tmp_path).paused("web")) == ("", "")
    # But it is not to run meanwhile.
    await asked(qmp, "cont")
    await made._pause(made._cuts["web"])
    assert (await asked(qmp), made.paused("web")) == ("paused", "qmp")


async def test_a_record_that_cannot_be_written_or_read_stops_no_pause(tmp_path: Path, qmp: str) -> None:
    told: list[str] = []
    (tmp_path / "db.json").write_text("{")
    made = isolation(tmp_path, told)
    await made.seen("web", "web", qmp, 5, clock() - 60)
    (tmp_path / "web.json.new").mkdir()
    await made._pause(made._cuts["web"])
    assert await asked(qmp) == "paused"
    for words, message in zip((f"{tmp_path}/db.json cannot be read", "cannot be noted", "cut off from the vault"), told, strict=True):
        assert words in message
    assert (tmp_path / "db.json").read_text() == "{"


async def test_a_cycle_that_hangs_has_the_monitor(tmp_path: Path, qmp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMPT", 0.1)
    made = isolation(tmp_path, aside=never)
    session = await QmpSession.connect(qmp)
    try:
        await cut_off(made, qmp)
        assert await power.status(session) == "paused"
    finally:
        await session.close()
    assert made.paused("web") == "qmp"
    assert await made.go_on("web") == "goes on"
    assert await asked(qmp) == power.RUNNING


async def test_what_cannot_be_paused_is_told_once_each_time_that_it_is_cut_off(
    tmp_path: Path, qmp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "PROMPT", 0.1)
    monkeypatch.setattr(module, "listener", lambda _: None)
    made = isolation(tmp_path, told, aside=never)
    for times in (1, 2):
        await cut_off(made, qmp)
        await made._pause(made._cuts["web"])
        assert told == [f"web cannot be paused: it cannot be seen which process listens at {qmp}"] * times


@pytest.mark.parametrize("patience", [5.0, 0.1], ids=["and then it is let go", "and it is not let go"])
async def test_a_vault_that_comes_back_while_the_machine_is_waited_for(
    tmp_path: Path, qmp: str, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(module, "PROMPT", patience)

    @asynccontextmanager
    async def busy(*_: Any) -> AsyncIterator[None]:
        await made.seen("web", "web", qmp, 5, clock())
        if patience < 1:
            await asyncio.Event().wait()
        yield

    made = isolation(tmp_path, aside=busy)
    await cut_off(made, qmp)
    assert (await asked(qmp), made.paused("web")) == (power.RUNNING, "")


async def test_somebody_else_has_the_monitor_and_others_wait_for_it(tmp_path: Path, qmp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMPT", 0.1)
    made = isolation(tmp_path, aside=never)
    pid = listener(qmp)
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(qmp)
        late = stack.enter_context(socket.socket(socket.AF_UNIX))
        late.setblocking(False)
        with pytest.raises(BlockingIOError):
            late.connect(qmp)
        await cut_off(made, qmp)
        assert made.paused("web") == "signal"
        wait_for_stop(pid)
    await made.go_on("web")
    assert await asked(qmp) == power.RUNNING
