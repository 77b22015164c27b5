"""A whole comparison: rounds of steps, each done by every tool before the next begins."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.whole.figures import Figure, Host, Result, Run, Told, ratios
from bench.whole.measure import busy, cost_of
from bench.whole.step import Step
from bench.whole.tool import IMAGE, Cannot, Command, Failed, Place, Tool
from bench.whole.workload import change, copy_of, no_holes

READ = 8 << 20


def compared(tools: Sequence[Tool], original: Path, rounds: int, home: Path) -> Run:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    told = tuple(Told(tool.name, tool.setting, tool.why, _version(tool), tool.encrypts) for tool in tools)
    figures: dict[tuple[int, Step], list[Figure]] = {}
    cannot: dict[tuple[int, Step], str] = {}
    failed: dict[int, Failed] = {}
    for number in range(rounds):
        image, changed = home / IMAGE, 0
        copy_of(original, image)
        places = [Place(image, home / f"{number}-{at}") for at in range(len(tools))]
        for tool, place in zip(tools, places, strict=True):
            for directory in place.directories:
                directory.mkdir(parents=True)
            cost_of(tool.prepared(place), _environment(tool, place))
        for step in Step:
            changed = _met(step, image) or changed
            for at, (tool, place) in enumerate(zip(tools, places, strict=True)):
                if at in failed:
                    continue
                print(f"round {number + 1} of {rounds}, {step}: {tool.name}, {tool.setting}", file=sys.stderr, flush=True)
                done = _tried(tool, step, place)
                if isinstance(done, Failed):
                    failed[at] = done
                elif isinstance(done, Cannot):
                    cannot[at, step] = done.reason
                else:
                    figures.setdefault((at, step), []).append(done)
        for place in places:
            shutil.rmtree(place.home)
    results = tuple(
        Result(tool.name, tool.setting, step, tuple(figures.get((at, step), ())), cannot.get((at, step), "failed" if at in failed else ""))
        for step in Step
        for at, tool in enumerate(tools)
    )
    lost = tuple(f"{tools[at].name}, {tools[at].setting}: {words.reason}" for at, words in failed.items())
    return Run(began, _host(), original.stat().st_size, _taken(original), changed, told, results, ratios(results), lost)


def _met(step: Step, image: Path) -> int:
    """The image as this step is to find it. How many blocks were changed."""
    match step:
        case Step.UNCHANGED:
            os.utime(image)  # as a VM's image has it: no tool may believe the times
        case Step.RANDOM | Step.SEQUENTIAL:
            return change(image, scattered=step is Step.RANDOM, seed=1 + list(Step).index(step))
        case _:
            pass
    return 0


def _tried(tool: Tool, step: Step, place: Place) -> Figure | Cannot:
    try:
        return _done(tool, step, place)
    except RuntimeError as error:  # the others' figures took half an hour: they are told beside this
        return Failed(str(error))


def _done(tool: Tool, step: Step, place: Place) -> Figure | Cannot:
    commands = tool.commands(step, place)
    if isinstance(commands, Cannot):
        return commands
    _read(place.stored if step in (Step.RESTORE, Step.PRUNE) else place.image)
    _load(tool, place)
    os.sync()
    began, before = time.monotonic(), busy()
    cost = cost_of((*commands, _synced(place)), _environment(tool, place))
    others = max(0.0, busy() - before - cost.cpu) / (time.monotonic() - began)
    if step is Step.RESTORE:
        _proven(place)
    return Figure(cost.wall, cost.cpu, cost.kernel, cost.rss, _taken(place.stored), _taken(place.local), others)


def _load(tool: Tool, place: Place) -> None:
    """A program that nobody has used for a while is read from the disk: after 150 s one of ours took 0.60 s instead of 0.40, and the second
    setting of another tool had found it there."""
    program = shutil.which(tool.version[0])
    assert program is not None
    _read(Path(program).resolve())
    cost_of((Command(tool.version, place.home),), _environment(tool, place))


def _synced(place: Place) -> Command:
    return Command(("find", *map(str, place.directories), "-exec", "sync", "{}", "+"), place.home)


def _proven(place: Place) -> None:
    """What came back is the image; it goes, for the next one's room."""
    (restored,) = place.restored.rglob(IMAGE)
    if subprocess.run(["cmp", "--silent", restored, place.image], check=False).returncode:
        raise RuntimeError(f"{restored} is not what {place.image} is")
    shutil.rmtree(place.restored)
    place.restored.mkdir()


def _environment(tool: Tool, place: Place) -> dict[str, str]:
    """Nothing of ours: a PYTHONDONTWRITEBYTECODE would have two of the tools compile themselves at each start."""
    return {"PATH": os.environ["PATH"], "HOME": str(place.local), "LC_ALL": "C.UTF-8", **tool.environment(place)}


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]


def _read(path: Path) -> None:
    """All that is no hole."""
    buffer = memoryview(bytearray(READ))
    for file in _files(path):
        with file.open("rb", buffering=0) as source:
            for start, end in no_holes(source.fileno()):
                for offset in range(start, end, READ):
                    os.preadv(source.fileno(), [buffer[: min(READ, end - offset)]], offset)


def _taken(path: Path) -> int:
    """Bytes on the disk: holes take none."""
    return sum(file.stat().st_blocks * 512 for file in _files(path))


def _version(tool: Tool) -> str:
    return subprocess.run(tool.version, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _host() -> Host:
    models = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Host(models[0] if models else platform.machine(), os.cpu_count() or 1, memory, platform.release())
