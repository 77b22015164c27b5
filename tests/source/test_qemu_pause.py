"""A VM that is stopped for a freeze goes on, whatever happens to whoever stopped it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.source.machine import MIB, Machine, blockdev
from understudy.errors import SourceBusy, SourceUnavailable
from understudy.qemu.lifeline import Lifeline
from understudy.qemu.session import QmpSession
from understudy.source.qemu import QemuSource
from understudy.source.qemu_pause import DEADLINE, MARK, Pauser

HOLDER = """
import asyncio, sys
from pathlib import Path
from understudy.errors import SourceBusy, SourceUnavailable
from understudy.qemu.lifeline import Lifeline
from understudy.qemu.session import QmpSession
from understudy.source.qemu_pause import Pauser

async def main():
    session, lifeline = await QmpSession.connect(sys.argv[1]), Lifeline()
    async def connected():
        return session
    try:
        async with Pauser(connected, lifeline, Path(sys.argv[2]), float(sys.argv[3])).paused():
            print("held", flush=True)
            sys.stdin.readline()
    except (SourceBusy, SourceUnavailable) as error:
        print(error.message, flush=True)

asyncio.run(main())
"""
"""Stops the VM, says so, and holds it until it is told to go on."""


@pytest.fixture
async def machine(start_machine, short_directory) -> Machine:
    machine = await start_machine(blockdev(short_directory, "vda", "raw", MIB))
    await machine.execute("cont")
    return machine


async def status(machine: Machine) -> str:
    answer = await machine.execute("query-status")
    assert isinstance(answer, dict)
    return str(answer["status"])


def runs(machine: Machine) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await status(machine) == "running"

    return check


@asynccontextmanager
async def pauser(machine: Machine, deadline: float = DEADLINE) -> AsyncIterator[Pauser]:
    session: QmpSession | None = None

    async def connected() -> QmpSession:
        nonlocal session
        if session is None or session.closed:
            session = await QmpSession.connect(machine.qmp)
        return session

    async with Lifeline() as lifeline:
        try:
            yield Pauser(connected, lifeline, machine.state, deadline)
        finally:
            if session is not None:
                await session.close()


async def test_it_stands_still_and_goes_on(machine: Machine) -> None:
    async with pauser(machine) as stop:
        async with stop.paused() as pause:
            assert await status(machine) == "paused"
        assert await status(machine) == "running"
        assert pause.seconds > 0
    assert not (machine.state / MARK).exists()


async def test_one_that_was_paused_stays_so(machine: Machine) -> None:
    await machine.execute("stop")
    async with pauser(machine) as stop, stop.paused() as pause:
        assert await status(machine) == "paused"
    assert await status(machine) == "paused"
    assert pause.seconds == 0


async def test_a_failure_lets_it_go_on(machine: Machine) -> None:
    async with pauser(machine) as stop:
        with pytest.raises(KeyError):
            async with stop.paused():
                raise KeyError
        assert await status(machine) == "running"
    assert not (machine.state / MARK).exists()


async def test_cancelled_it_goes_on(machine: Machine) -> None:
    async with pauser(machine) as stop:
        held = asyncio.Event()

        async def hold() -> None:
            async with stop.paused():
                held.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(hold())
        await held.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await status(machine) == "running"


@pytest.mark.parametrize("before", [True, False])
async def test_somebody_who_lets_it_go_on_in_between_is_noticed(machine: Machine, before: bool) -> None:
    if not before:
        await machine.execute("stop")
    async with pauser(machine) as stop:
        with pytest.raises(SourceBusy, match="in the middle"):
            async with stop.paused():
                await machine.execute("cont")
    assert await status(machine) == "running"


async def test_a_session_that_breaks_does_not_leave_it_standing(machine: Machine) -> None:
    async with pauser(machine) as stop:

        async def hold() -> None:
            async with stop.paused():
                await (await stop.connected()).close()

        with pytest.raises(SourceUnavailable):
            await hold()
        assert await status(machine) == "running"


async def test_one_that_ends_in_between_is_not_waited_for(machine: Machine) -> None:
    async with pauser(machine) as stop:
        with pytest.raises(SourceUnavailable):
            async with stop.paused():
                await machine.kill()


@asynccontextmanager
async def holder(machine: Machine, deadline: float) -> AsyncIterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, machine.qmp, str(machine.state), str(deadline)]
    process = await asyncio.to_thread(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        await asyncio.to_thread(process.stdout.readline)
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


async def test_killed_the_other_process_lets_it_go_on(machine: Machine) -> None:
    async with holder(machine, 3600) as process:
        assert await status(machine) == "paused"
        process.kill()
        await machine.until(runs(machine))


async def test_asleep_the_other_process_lets_it_go_on(machine: Machine) -> None:
    async with holder(machine, 0.5) as process:
        process.send_signal(signal.SIGSTOP)
        await machine.until(runs(machine))
        process.send_signal(signal.SIGCONT)
        output, _ = await asyncio.to_thread(process.communicate, "\n")
        assert "somebody let the VM go on" in output or "before its time" in output


def lifelines() -> set[int]:
    """Processes that run a lifeline's program."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"lifeline_process" in words:
                found.add(int(entry.name))
    return found


async def test_killed_with_the_other_process_the_next_start_lets_it_go_on(machine: Machine, short_directory: Path) -> None:
    async with holder(machine, 3600) as process:
        (lifeline,) = (pid for pid in lifelines() if parent(pid) == process.pid)
        process.send_signal(signal.SIGSTOP)
        os.kill(lifeline, signal.SIGKILL)
        process.kill()
        await asyncio.to_thread(process.wait)
    assert await status(machine) == "paused"
    source = QemuSource("0123456789abcdef0123456789abcdef", machine.qmp, machine.state)
    try:
        await source.relieve()
        assert await status(machine) == "running"
        await machine.execute("stop")
        await source.relieve()
        assert await status(machine) == "paused"
    finally:
        await source.close()


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
