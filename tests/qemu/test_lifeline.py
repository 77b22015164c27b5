"""What is done to a VM when the process that has it dies, sleeps or fills a disk: the real program, killed and stopped for real."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from tests.lifeline import child_of
from tests.source.machine import Machine
from understudy.errors import SourceUnavailable
from understudy.qemu.lifeline import FileLimit, Lifeline, Order, SpaceLimit, qmp_lines
from understudy.qemu.session import QmpSession

FAR = 600.0


@pytest.fixture
async def line() -> AsyncIterator[Lifeline]:
    async with Lifeline() as line:
        yield line


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def heard(peer: socket.socket) -> bytes:
    async with asyncio.timeout(60):
        return await asyncio.get_running_loop().sock_recv(peer, 1 << 16)


def nothing_heard(peer: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return not peer.recv(1, socket.MSG_PEEK)
    return True


async def test_a_deadline(line, pair):
    ours, theirs = pair
    late = await line.arm(ours.fileno(), Order(b"never\n", b"-", deadline=FAR))
    soon = await line.arm(ours.fileno(), Order(b"now\n", b"-", deadline=0.0))
    assert await heard(theirs) == b"now\n"
    assert "in time" in await line.disarm(soon)
    assert await line.disarm(late) == ""
    line.close()
    assert nothing_heard(theirs)


async def test_a_file_that_grows(line, pair, tmp_path):
    ours, theirs = pair
    path = tmp_path / "scratch"
    limits = (FileLimit(path, 1 << 20), FileLimit(path, 1 << 20, allocated=True))
    armed = [
        await line.arm(ours.fileno(), Order(name, b"-", files=(limit,))) for name, limit in zip((b"size", b"blocks"), limits, strict=True)
    ]
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        file.truncate((1 << 20) + 1)
        assert await heard(theirs) == b"size"
        os.posix_fallocate(file.fileno(), 0, 2 << 20)
        assert await heard(theirs) == b"blocks"
    for token in armed:
        assert f"{path} grew beyond 1048576 bytes" in await line.disarm(token)


async def test_a_file_system_that_fills_up(line, pair, tmp_path):
    ours, theirs = pair
    calm = await line.arm(ours.fileno(), Order(b"calm", b"-", spaces=(SpaceLimit(tmp_path, 0),)))
    full = await line.arm(ours.fileno(), Order(b"full", b"-", spaces=(SpaceLimit(tmp_path, 1 << 62),)))
    lost = await line.arm(ours.fileno(), Order(b"lost", b"-", spaces=(SpaceLimit(tmp_path / "gone", 0),)))
    said = b""
    while len(said) < 8:
        said += await heard(theirs)
    assert said == b"fulllost"
    assert "were left" in await line.disarm(full)
    assert "No such file" in await line.disarm(lost)
    assert await line.disarm(calm) == ""


async def test_the_end_carries_out_what_is_armed_the_newest_first_and_waits_for_the_answer(line, pair):
    ours, theirs = pair
    for name in (b"first\n", b"second\n"):
        await line.arm(ours.fileno(), Order(name, b"answer", deadline=FAR))
    line.close()
    ours.close()
    said = b""
    while len(said) < 13:
        said += await heard(theirs)
    assert said == b"second\nfirst\n"
    theirs.send(b"an ans")
    theirs.send(b"wer\n")
    assert await heard(theirs) == b""


async def test_a_connection_that_is_full_gets_the_rest_later(line, pair):
    ours, theirs = pair
    text = os.urandom(100_000)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    armed = await line.arm(ours.fileno(), Order(text, b"-", deadline=0.0))
    assert await line.disarm(await line.arm(ours.fileno(), Order(b"", b"-"))) == ""
    said = b""
    while len(said) < len(text):
        said += await heard(theirs)
    assert said == text
    assert await line.disarm(armed)


async def test_its_own_death_is_noticed_and_mended(pair):
    ours, _ = pair
    before = set(threading.enumerate())
    async with Lifeline() as line:
        # By its own thread, which waits for it: those of earlier tests may still be ending, and a process has no words while it begins.
        (waiting,) = (thread for thread in set(threading.enumerate()) - before if thread.name.startswith("lifeline-"))
        armed = await line.arm(ours.fileno(), Order(b"", b"-"))
        os.kill(int(waiting.name.removeprefix("lifeline-")), signal.SIGKILL)
        with pytest.raises(SourceUnavailable):
            await line.disarm(armed)
        with pytest.raises(SourceUnavailable):
            await line.disarm(armed)
        assert await line.disarm(await line.arm(ours.fileno(), Order(b"", b"-"))) == ""


async def test_whoever_is_cancelled_while_arming_leaves_nothing_armed(line, pair):
    ours, theirs = pair
    task = asyncio.ensure_future(line.arm(ours.fileno(), Order(b"armed", b"-")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await line.disarm(await line.arm(ours.fileno(), Order(b"", b"-")))
    line.close()
    ours.close()
    assert await heard(theirs) == b""


async def status(machine: Machine) -> str:
    found = await machine.execute("query-status")
    assert isinstance(found, dict)
    return str(found["status"])


async def test_the_session_goes_on_after_answers_to_what_it_did_not_ask(two_disks, line):
    session = await QmpSession.connect(two_disks.qmp)
    failing = Order(*qmp_lines([("block-job-cancel", {"device": "none"}), ("cont", {}), ("stop", {})]), deadline=0.0)
    armed = await line.arm(session.descriptor, failing)

    async def stopped() -> bool:
        return await status(two_disks) == "paused"

    await two_disks.until(stopped)
    assert await line.disarm(armed)
    for _ in range(3):
        assert (await session.execute("query-status"))["status"] == "paused"
    await session.close()


PROCESS = """
import asyncio, sys
from understudy.qemu.lifeline import Lifeline, Order, qmp_lines
from understudy.qemu.session import QmpSession
async def main(path, deadline):
    session = await QmpSession.connect(path)
    async with Lifeline() as line:
        armed = await line.arm(session.descriptor, Order(*qmp_lines([("cont", {})]), deadline=float(deadline)))
        await session.execute("stop")
        print("stopped", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print((await session.execute("query-status"))["status"], await line.disarm(armed), flush=True)
    await session.close()
asyncio.run(main(*sys.argv[1:]))
"""


async def stopping(machine: Machine, deadline: float) -> asyncio.subprocess.Process:
    await machine.execute("cont")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, machine.qmp, str(deadline), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"stopped\n"
    return process


async def runs(machine: Machine) -> bool:
    return await status(machine) == "running"


async def test_a_killed_process_leaves_no_vm_paused(two_disks):
    process = await stopping(two_disks, FAR)
    assert await status(two_disks) == "paused"
    os.kill(child_of(process.pid), signal.SIGTERM)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    async def again() -> bool:
        return await runs(two_disks)

    await two_disks.until(again)
    # The monitor is free for whoever comes next.
    session = await QmpSession.connect(two_disks.qmp, timeout=60)
    await session.close()


async def test_a_stopped_process_leaves_no_vm_paused(two_disks):
    process = await stopping(two_disks, 2.0)
    os.kill(process.pid, signal.SIGSTOP)

    async def again() -> bool:
        return await runs(two_disks)

    await two_disks.until(again)
    os.kill(process.pid, signal.SIGCONT)
    said, _ = await process.communicate(b"\n")
    assert said == b"running understudy did not end it in time\n"
    assert process.returncode == 0
