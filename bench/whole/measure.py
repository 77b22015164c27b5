"""Runs commands, and says what their processes cost: by the clock, in seconds of processor, in memory."""

import os
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from bench.whole.tool import Command

PAUSE, BRIEF = 0.05, 0.01
"""Seconds between two looks at a tree's memory, and during its first second: one takes half a millisecond, and the peak of what ended
within the next was missed (a second point took 55 MiB or 73)."""
TICKS = os.sysconf("SC_CLK_TCK")
TAIL = 2000


class Cost(msgspec.Struct, frozen=True):
    wall: float
    cpu: float
    """Seconds of processor, of the process and all it waited for."""
    kernel: float
    """Those of them that the kernel spent: reading, writing, handing out memory."""
    rss: int
    """Bytes: the most that one process held, or that all of the tree were seen to hold at once; pages that two share count twice then."""


def cost_of(commands: Iterable[Command], environment: Mapping[str, str]) -> Cost:
    """One after the other. `RuntimeError` with its last words if one fails."""
    costs = [_run(command, environment) for command in commands]
    rss = max((cost.rss for cost in costs), default=0)
    return Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs), sum(cost.kernel for cost in costs), rss)


def busy() -> float:
    """Seconds of processor that this host has spent since it started, whoever they were for."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICKS


def _run(command: Command, environment: Mapping[str, str]) -> Cost:
    began = time.monotonic()
    with subprocess.Popen(
        command.argv,
        cwd=command.inside,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        words: list[bytes] = []
        ended = threading.Event()
        seen: list[int] = [0]
        watching = threading.Thread(target=_watch, args=(process.pid, ended, seen))
        watching.start()
        try:
            assert process.stdout is not None
            words.append(process.stdout.read())
            _, status, used = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.terminate()
            raise
        finally:
            ended.set()
            watching.join()
    if process.returncode:
        said = b"".join(words).decode(errors="replace")[-TAIL:]
        raise RuntimeError(f"{' '.join(command.argv)}: exit code {process.returncode}\n{said}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_stime, seen[0])


def _watch(root: int, ended: threading.Event, seen: list[int]) -> None:
    """A process's own peak, and not what wait4 says of it: that begins with the peak of the Python that started it."""
    began = time.monotonic()
    while True:
        # A child is in its parent's memory until its program begins: then both say the same size, to the byte, if not the same of the rest.
        held = {size: (now, peak) for size, now, peak in map(_memory, _tree(root))}
        seen[0] = max(seen[0], sum(now for now, _ in held.values()), *(peak for _, peak in held.values()))
        if ended.wait(BRIEF if time.monotonic() - began < 1 else PAUSE):
            return


def _tree(root: int) -> list[int]:
    found, left = [], [root]
    while left:
        found.append(left.pop())
        with suppress(OSError):  # it has ended meanwhile, or its thread
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                with suppress(OSError):
                    left += map(int, Path(f"/proc/{found[-1]}/task/{task}/children").read_text().split())
    return found


def _memory(process: int) -> tuple[int, int, int]:
    """Bytes: all that it may reach, what it holds now, and at its peak. None of a process that has ended."""
    try:
        said = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    except OSError:
        return 0, 0, 0
    size, now, peak = (int(said.get(name, "0 kB").split()[0]) << 10 for name in ("VmSize", "VmRSS", "VmHWM"))
    return size, now, peak
