"""The ratios of a run that the guard knows: each within one run, so that the machine's speed falls out, and so written that more is better.

A tolerance is as wide as two runs of the same code differ: little where both sides are measured in turn, much where a disk has a say.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from bench.live.figures import Row as Live
from bench.report.results import Kernel, Results
from bench.whole.step import Step

IN_TURN = 0.15
SAME_RUN = 0.3
APART = 0.55
"""Two threads, or a whole pipeline beside a kernel: what a memory that others use, too, gives them differed by twice."""
PROCESSOR = 0.25
SHORT = 0.45
"""Of steps of a second: borg's prune took 0.7 s of a processor, and 1.3."""
CLOCK = 0.45
MEMORY = 0.25


class Ratio(msgspec.Struct, frozen=True):
    ratio: float
    tolerance: float


Named = tuple[str, float, float]


def ratios_of(results: Results) -> dict[str, Ratio]:
    found = [*_kernels(results.kernels, SAME_RUN), *_kernels(results.pipeline, APART), *_whole(results), *_live(results), *_growth(results)]
    return {name: Ratio(ratio, tolerance) for name, ratio, tolerance in found if ratio > 0}


def _kernels(kernels: Iterable[Kernel], tolerance: float) -> Iterator[Named]:
    """Beside the first of its limits."""
    for kernel in kernels:
        for limit, ratio in list(kernel.against.items())[:1]:
            name = f"{kernel.what} : {limit}, {kernel.data}"
            yield (name, ratio, APART if "threads" in name else tolerance) if kernel.beside is None else (name, kernel.beside, IN_TURN)


def _whole(results: Results) -> Iterator[Named]:
    if run := results.whole:
        for ratio in run.ratios:
            peers = "restic and borg" if ratio.settings == "defaults" else "restic and borg at any settings"
            what = f"{ratio.step} of {run.image / 2**30:g} GiB : {peers}"
            yield f"{what}, by processor", ratio.cpu, SHORT if ratio.step is Step.PRUNE else PROCESSOR
            yield f"{what}, by the clock", ratio.wall, CLOCK


def _live(results: Results) -> Iterator[Named]:
    for row in results.live:
        if row.wanted:
            yield f"guest's p99 without : with replication, {_of(row)}", row.alone.p99 / row.followed.p99, CLOCK
            yield f"guest's rate with : without replication, {_of(row)}", row.followed.rate / row.alone.rate, SAME_RUN
    for rate, rows in groupby(sorted(results.live, key=lambda row: (row.wanted, row.every, row.size)), lambda row: (row.wanted, row.every)):
        least, *more = rows
        for row in more:
            yield f"busy cycle of {_disk(least.size)} : of {_disk(row.size)}, {rate[0] / 1e6:g} MB/s", least.cycle / row.cycle, CLOCK
    for form in dict.fromkeys(one.form for one in results.idle):
        first, *rest = (one for one in results.idle if one.form == form)
        for idle in rest:
            yield f"idle cycle of {first.disk} : of {idle.disk}, {form}", first.cycle / idle.cycle, SAME_RUN
    for start in results.starts:
        yield f"start by the hypervisor alone : from a point, {start.disk}", start.alone / start.took, SAME_RUN


def _growth(results: Results) -> Iterator[Named]:
    """Of each command: the least vault beside each larger one."""
    known = {(row.grown, row.site, row.command, row.number): row.cost for row in results.growth}
    for (grown, site, command, number), cost in known.items():
        least = min(of for kind, where, what, of in known if (kind, where, what) == (grown, site, command))
        if number != least:
            first, name = known[grown, site, command, least], f"{command} ({site}) of {least} : of {number} {grown}"
            if cost.cpu and first.cpu:
                yield f"{name}, processor", first.cpu / cost.cpu, SAME_RUN
            yield f"{name}, memory", first.rss / cost.rss, MEMORY


def _of(row: Live) -> str:
    return f"{row.wanted / 1e6:g} MB/s on {_disk(row.size)} every {row.every} s"


def _disk(size: int) -> str:
    return f"{size >> 40} TiB" if size >= 1 << 40 else f"{size >> 30} GiB"
