"""What the design asks for, beside what was measured: honestly, so a row that a run left out is not met by it."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from bench.datasets import KINDS
from bench.report.results import Kernel, Results
from bench.whole.figures import OURS, Result, best
from bench.whole.step import Step
from bench.whole.tools.floors import NAME

CIPHER = "aegis256"


class Verdict(StrEnum):
    MET = "met"
    MISSED = "**missed**"
    OPEN = "not in this run"


class Row(NamedTuple):
    what: str
    target: str
    measured: str
    verdict: Verdict


def rows_of(results: Results) -> tuple[Row, ...]:
    return (
        _unchanged(results),
        _changed(results),
        _changed_by_two(results),
        *_whole(results),
        _idle(results),
        _interval(results),
        _failover(results),
        _latency(results),
        _daemon(results),
        Row("`kill -9` at every step", "nothing acknowledged lost", "no benchmark: `make test` and `make endure` do it", Verdict.OPEN),
    )


def _row(what: str, target: str, measured: str, met: bool) -> Row:
    return Row(what, target, measured or "-", (Verdict.MET if met else Verdict.MISSED) if measured else Verdict.OPEN)


def _unchanged(results: Results) -> Row:
    found = _beside(results, "encode, unchanged")
    return _row("unchanged data, signature scan", "≥ 0.8 x keyed XXH3 alone", _said(found), min(found.values(), default=0) >= 0.8)


def _changed(results: Results) -> Row:
    found = _beside(results, f"encode, changed, {CIPHER}")
    what = "changed data, blocks to sealed frames, one core"
    together = {data: sum(_by_data(results, f"encode, changed, {CIPHER}")[data].against.values()) for data in found}
    said = f"{_said(found)}; x XXH3, LZ4 and the cipher one after the other: {_said(together)}" if found else ""
    return _row(what, "≥ 0.9 x LZ4 alone", said, min(found.values(), default=0) >= 0.9)


def _changed_by_two(results: Results) -> Row:
    two, alone = _by_data(results, "encode, 2 threads"), _by_data(results, "lz4")
    found = {data: kernel.rate / alone[data].rate for data, kernel in two.items() if data in alone}
    return _row("the same in two threads", "≥ 1.8 x LZ4 alone on one", _said(found), min(found.values(), default=0) >= 1.8)


def _by_data(results: Results, what: str) -> dict[str, Kernel]:
    return {kernel.data: kernel for kernel in results.kernels if kernel.what == what and kernel.data in KINDS}


def _beside(results: Results, what: str) -> dict[str, float]:
    return {data: kernel.beside for data, kernel in _by_data(results, what).items() if kernel.beside is not None}


def _said(found: dict[str, float]) -> str:
    return ", ".join(f"{data} {ratio:.2f}" for data, ratio in found.items())


def _whole(results: Results) -> Iterator[Row]:
    words = {
        Step.INITIAL: "initial replication of an image of {size} GiB",
        Step.UNCHANGED: "the same, unchanged, a full scan",
        Step.RESTORE: "its restore",
    }
    run = results.whole
    for step, target in ((Step.INITIAL, 5), (Step.UNCHANGED, 4), (Step.RESTORE, 2)):
        found = {ratio.settings: ratio for ratio in run.ratios if ratio.step is step} if run else {}
        floors = [f"{name} takes {share:.0%} of it" for name, share in shares(run.results if run else (), step)]
        said = [f"{one.wall:.1f} x {one.against} (by processor {one.cpu:.1f} x)" for one in found.values()]
        met = "defaults" in found and found["defaults"].wall >= target
        what = words[step].format(size=f"{run.image / 2**30:g}" if run else "4")
        yield _row(what, f"≥ {target} x the faster of restic and borg", "; ".join((*said, *floors)), met)


def shares(results: Iterable[Result], step: Step) -> Iterator[tuple[str, float]]:
    """What bounds a step, and how much of our time it takes alone."""
    took = {(one.tool, one.setting): figure.wall for one in results if one.step is step and (figure := best(one))}
    ours = next((wall for (tool, _), wall in took.items() if tool == OURS), 0.0)
    return ((setting, wall / ours) for (tool, setting), wall in took.items() if tool == NAME and ours)


def _idle(results: Results) -> Row:
    found = [f"{one.cycle * 1e3:.0f} ms ({one.disk}, {one.form})" for one in results.idle]
    met = all(one.cycle <= 0.1 for one in results.idle)
    return _row("cycle of an idle machine", "≤ 100 ms, whatever the disk's size", ", ".join(found), met)


def _interval(results: Results) -> Row:
    found = max((row for row in results.live if row.every == 1), key=lambda row: row.wanted, default=None)
    measured = met = None
    if found is not None:
        rate, wanted = found.followed.rate / 1e6, found.wanted / 1e6
        measured = f"{rate:.0f} of {wanted:.0f} MB/s: cycles of {found.cycle:.2f} s (at most {found.slowest:.2f}), RPO {found.rpo:.1f} s"
        met = found.cycle <= 1 and found.rpo <= 5 and rate >= 0.95 * wanted >= 95
    return _row("points each second", "kept up; RPO ≤ 5 s at 100 MB/s of 64 KiB writes", measured or "", bool(met))


def _failover(results: Results) -> Row:
    found = [f"{one.took - one.alone:.2f} s ({one.disk})" for one in results.starts]
    met = all(one.took - one.alone <= 2 for one in results.starts)
    return _row("failover to a running guest kernel", "≤ 2 s beyond the hypervisor's own start", ", ".join(found), met)


def _latency(results: Results) -> Row:
    found = [row for row in results.live if row.every == 30 and row.wanted]
    said = [f"{row.followed.p99 / row.alone.p99 - 1:+.0%} at {row.wanted / 1e6:g} MB/s" for row in found]
    met = all(row.followed.p99 <= 1.05 * row.alone.p99 for row in found)
    return _row("guest's write latency, points every 30 s", "p99 ≤ 5 % over none", ", ".join(said), met)


def _daemon(results: Results) -> Row:
    found = [row for row in results.growth if row.command == "daemon" and row.number >= 100]
    said = [f"{(row.cost.rss - row.mapped) >> 20} MiB ({row.number} machines)" for row in found]
    met = all(row.cost.rss - row.mapped <= 256 << 20 for row in found)
    return _row("memory of a daemon of 100 machines", "≤ 256 MiB beside what it maps", ", ".join(said), met)
