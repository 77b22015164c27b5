"""Records of changes that outlive their VM's QEMU: they count after a restart only if nobody else can have written in between."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.live.followed import NAME
from tests.live.keeping import again, at_rest, kept, seen
from tests.live.tampering import WAYS, bitmaps, overwrite, run_in_between
from tests.live.trial import KIB64, Trial, tool
from tests.source.machine import MIB
from understudy.engine import Cycle, Unprotect
from understudy.model import BLOCK_SIZE

BLOCKS = KIB64 // BLOCK_SIZE


@pytest.fixture
async def trial(short_directory: Path, tmp_path: Path) -> AsyncIterator[Trial]:
    async with kept(short_directory, tmp_path) as trial:
        yield trial


async def test_a_clean_restart_costs_what_differs(trial: Trial) -> None:
    for number in range(2):
        await trial.write("cow", number)
        await trial.write("wrap", 20 + number)
        await at_rest(trial)
        if number:
            await read_and_handed_over(trial)
        await trial.machine.start()
        await trial.write("over", number)
        cycle = await again(trial)
        if seen(trial.data):
            assert (cycle.cause, cycle.reason, cycle.scanned_blocks) == ("delta", "", 3 * BLOCKS)
        else:
            assert "the VM was restarted" in cycle.reason
        trial.must_be_proportionate(cycle)
    await trial.followed.prove()
    await at_rest(trial)
    assert bool(bitmaps(trial.path("cow"))) == seen(trial.data)
    await trial.machine.start()
    await trial.followed.end()
    await trial.followed.engine.unprotect(Unprotect(name=NAME))
    await trial.machine.quit()
    assert [bitmaps(disk.path) for disk in trial.machine.disks] == [[], [], []]


async def read_and_handed_over(trial: Trial) -> None:
    """None of this alters a byte."""
    for disk in trial.machine.disks:
        tool("qemu-img", "check", "-q", disk.path)
        disk.path.chmod(0o640)
    tool("cp", trial.data, trial.data.with_suffix(".read"))


async def test_what_was_written_while_it_was_down_is_found(trial: Trial) -> None:
    for ways in zip_longest(*(WAYS[disk].items() for disk in WAYS), fillvalue=None):
        await trial.write("cow", 1)
        await at_rest(trial)
        for way, _ in filter(None, ways):
            await way(trial)
        await trial.machine.start()
        await trial.write("wrap", 2)
        await must_be_told(trial, await again(trial), {way.__name__: words for way, words in filter(None, ways)})
    await trial.followed.prove()


async def must_be_told(trial: Trial, cycle: Cycle, ways: Mapping[str, str]) -> None:
    """Of each of these ways, in these words; and no more is sent than what differs."""
    assert cycle.cause == "resync", ways
    for way, words in ways.items():
        assert words in cycle.reason or not seen(trial.data), (way, cycle.reason)
    trial.must_be_proportionate(cycle)


async def killed(trial: Trial) -> None:
    await trial.machine.kill()
    await trial.machine.start()


async def started_unseen(trial: Trial) -> None:
    await at_rest(trial)
    await trial.followed.end()
    await trial.machine.start()


async def down_unseen(trial: Trial) -> None:
    """Who follows it has not seen it before."""
    await at_rest(trial)
    await trial.followed.end()
    await trial.followed.begin()
    await trial.machine.start()


async def run_by_another(trial: Trial) -> None:
    await at_rest(trial)
    await run_in_between(trial)
    await trial.machine.start()


async def started_twice(trial: Trial) -> None:
    await at_rest(trial)
    await trial.machine.start()
    await trial.restart()


async def cut(trial: Trial) -> None:
    for size in (3 * MIB, 4 * MIB):
        await trial.machine.execute("block_resize", node_name="cow-format", size=size)


async def cut_before(trial: Trial) -> None:
    await cut(trial)
    await at_rest(trial)
    await trial.machine.start()


async def cut_after(trial: Trial) -> None:
    await at_rest(trial)
    await trial.machine.start()
    await cut(trial)


RUNS: dict[Callable[[Trial], Awaitable[None]], str] = {
    killed: "the VM was restarted",
    started_unseen: "nobody watched its images",
    down_unseen: "nobody watched its images",
    run_by_another: "somebody wrote to",
    started_twice: "somebody wrote to",
    cut_before: "shrunk and grown again",
    cut_after: "shrunk and grown again",
}
"""What the VM and its follower do, and with what words it is doubted."""


async def test_runs_that_nobody_can_vouch_for(trial: Trial) -> None:
    for run, words in RUNS.items():
        await trial.write("cow", 55)
        await run(trial)
        await trial.write("wrap", 2)
        await must_be_told(trial, await again(trial), {run.__name__: words})
    await trial.followed.prove()


async def test_one_disk_of_several_is_doubted(trial: Trial) -> None:
    await at_rest(trial)
    overwrite(trial.data, 0)
    await trial.machine.start()
    cycle = await again(trial)
    await must_be_told(trial, cycle, {"overwrite": str(trial.data)})
    if seen(trial.data):
        assert str(trial.path("cow")) not in cycle.reason
        assert cycle.scanned_blocks <= 4 * MIB // BLOCK_SIZE
    await at_rest(trial)
    with trial.data.open("r+b", buffering=0) as file:
        file.write(b"x" * 8192)
        await trial.machine.start()
        await must_be_told(trial, await again(trial), {"another has it open": str(trial.data)})
    await trial.followed.prove()


async def test_a_writer_that_nobody_can_find_is_told(trial: Trial) -> None:
    await at_rest(trial)
    one, other = socket.socketpair()
    with one, other:
        written_and_hidden(trial.data, one)
        await trial.machine.start()
        await must_be_told(trial, await again(trial), {"hidden": str(trial.data)})
        await trial.followed.prove()


def written_and_hidden(path: Path, end: socket.socket) -> None:
    """By a process that is gone; the open file lies in the socket's queue, where no process shows it."""
    program = "import os, socket, sys; end = socket.socket(fileno=int(sys.argv[2])); file = os.open(sys.argv[1], os.O_RDWR)\n"
    program += "os.pwrite(file, b'x' * 4096, 1 << 17); socket.send_fds(end, [b' '], [file])"
    subprocess.run([sys.executable, "-c", program, path, str(end.fileno())], pass_fds=[end.fileno()], check=True)
