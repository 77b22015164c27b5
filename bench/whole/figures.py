"""What was measured, as a report and a guard read it, and what follows from it."""

from collections.abc import Callable, Iterable

import msgspec

from bench.whole.step import TARGETS, Step

OURS = "understudy"
PEERS = ("restic", "borg")
DEFAULTS = "defaults"


class Figure(msgspec.Struct, frozen=True):
    """One tool at one step in one round. Seconds and bytes."""

    wall: float
    """Until the tool's processes have ended, and what they wrote is synced."""
    cpu: float
    kernel: float
    """Seconds of `cpu` that the kernel spent."""
    rss: int
    stored: int
    """Bytes that are taken by what a restore needs, after the step."""
    local: int
    """By what the tool keeps for itself beside it."""
    others: float
    """Processors, on average, that were busy with something else meanwhile; the kernel's writing included."""


class Result(msgspec.Struct, frozen=True):
    """One tool at one step. `cannot`: why there are no rounds."""

    tool: str
    setting: str
    step: Step
    rounds: tuple[Figure, ...] = ()
    cannot: str = ""


class Told(msgspec.Struct, frozen=True):
    """What a tool was in this run."""

    tool: str
    setting: str
    why: str
    version: str
    encrypts: bool


class Ratio(msgspec.Struct, frozen=True):
    """How many times as fast as the faster of restic and borg understudy was at a step: above one, it was faster."""

    step: Step
    settings: str
    """Which of their settings count: `defaults`, or `any`."""
    wall: float
    against: str
    """The tool and setting that was fastest by the clock."""
    cpu: float
    """The same by seconds of processor, against whichever took the fewest."""
    target: float | None


class Host(msgspec.Struct, frozen=True):
    processor: str
    cores: int
    memory: int
    kernel: str


class Run(msgspec.Struct, frozen=True):
    began: str
    """UTC."""
    host: Host
    image: int
    """Bytes of the image, and those of them that are no holes."""
    filled: int
    changed: int
    """Blocks of 4 KiB that each change overwrote."""
    tools: tuple[Told, ...]
    results: tuple[Result, ...]
    ratios: tuple[Ratio, ...]
    failed: tuple[str, ...] = ()
    """Tools, and the last words of each: then there are no figures of it from that step on."""


def best(result: Result) -> Figure | None:
    """The quickest round: what else the host does only ever adds to one."""
    return min(result.rounds, key=lambda figure: figure.wall, default=None)


def ratios(results: Iterable[Result]) -> tuple[Ratio, ...]:
    """At every step that both ours and a peer have a figure for; at `defaults` first, then at `any` settings."""
    known = [result for result in results if result.rounds]
    found = []
    for step in Step:
        ours = [result for result in known if result.step is step and result.tool == OURS]
        peers = [result for result in known if result.step is step and result.tool in PEERS]
        for settings, among in ((DEFAULTS, [peer for peer in peers if peer.setting == DEFAULTS]), ("any", peers)):
            if ours and among:
                found.append(_ratio(step, settings, ours[0], among))
    return tuple(found)


def _ratio(step: Step, settings: str, ours: Result, peers: list[Result]) -> Ratio:
    fastest = min(peers, key=_least_wall)
    wall, cpu = _least_wall(fastest) / _least_wall(ours), min(map(_least_cpu, peers)) / _least_cpu(ours)
    return Ratio(step, settings, wall, f"{fastest.tool}, {fastest.setting}", cpu, TARGETS.get(step))


def _least(of: Callable[[Figure], float]) -> Callable[[Result], float]:
    return lambda result: min(map(of, result.rounds))


_least_wall = _least(lambda figure: figure.wall)
_least_cpu = _least(lambda figure: figure.cpu)
