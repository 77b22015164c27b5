"""The page that a person reads: docs/performance.md, when it was recorded."""

from collections.abc import Iterable, Iterator, Sequence

from bench.growth.figures import Row as Growth
from bench.report.results import Host, Kernel, Results
from bench.report.targets import rows_of
from bench.whole.figures import Result, best
from bench.whole.step import WORDS, Step

PARTS = {
    "kernels": "Kernels beside their limits",
    "pipeline": "The pipeline by stage",
    "whole": "Whole processes",
    "live": "Live",
    "growth": "Growth",
}
MIB = 1 << 20


def page_of(results: Results, plots: Iterable[str]) -> str:
    """`plots`: names of those that lie in performance/ beside the page."""
    return "\n".join(_page(results, set(plots))) + "\n"


def _page(results: Results, plots: set[str]) -> Iterator[str]:
    yield "# Performance\n"
    minutes = sum(results.seconds.values()) / 60
    yield f"Made by `{results.command}` at {results.commit or 'an unknown commit'}, {results.began} UTC, in {minutes:.0f} minutes, on"
    yield f"{_host(results.host, _accelerator(results))}.\n"
    yield "Times are this machine's. What can be held against another one is the ratios, each measured within this run; `make bench` ends"
    yield "with an error where one fell below what `bench/ratios.json` records.\n"
    yield from _table(("what", "target", "measured", ""), rows_of(results), 4)
    sections = {"kernels": _kernels, "pipeline": _pipeline, "whole": _whole, "live": _live, "growth": _growth}
    for part, title in PARTS.items():
        if said := list(sections[part](results)):
            yield f"\n## {title}\n"
            if part in plots:
                yield f"![{title}](performance/{part}.svg)\n"
            yield from said


def _host(host: Host, accelerator: str) -> str:
    disk = f"{host.filesystem}: {host.written / 1e6:.0f} MB/s written and synced, {host.sync * 1e3:.1f} ms for a sync of 4 KiB"
    guests = f"; guests under {accelerator}" if accelerator else ""
    machine = f"{host.processor}, {host.cores} cores, {host.memory / 2**30:.0f} GiB, Linux {host.kernel}"
    return f"{machine}, Python {host.python}, {host.qemu}; {disk}{guests}"


def _accelerator(results: Results) -> str:
    words = {"tcg": "software emulation (TCG)", "kvm": "KVM"}
    return ", ".join(dict.fromkeys(words.get(row.accelerator, row.accelerator) for row in results.live))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Iterator[str]:
    """The first `left` columns are words, the others numbers."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' if at < left else '---:' for at in range(len(head)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _kernels(results: Results) -> Iterator[str]:
    if results.kernels:
        yield "GB/s of plain data, the best round, by seconds of one core (in two threads: by the clock); in brackets how many times"
        yield "as fast as its limit, with an asterisk where both were measured in turn. `alternate` (every second block zero) and"
        yield "`one byte` (blocks of zeros but for one byte) are adversarial.\n"
        yield from _rates(results.kernels)


def _pipeline(results: Results) -> Iterator[str]:
    if results.pipeline:
        yield "GB/s of plain data by the clock, the best round: each stage by itself over 64 MiB, then all of them without a disk.\n"
        yield from _rates(results.pipeline)


def _rates(kernels: Sequence[Kernel]) -> Iterator[str]:
    data = tuple(dict.fromkeys(kernel.data for kernel in kernels))
    known = {(kernel.what, kernel.data): kernel for kernel in kernels}
    limits = {kernel.what: next(iter(kernel.against), "") for kernel in kernels}
    yield from _table(
        ("", "limit", *data), ((what, limit, *(_rate(known.get((what, one))) for one in data)) for what, limit in limits.items()), 2
    )


def _rate(kernel: Kernel | None) -> str:
    if kernel is None:
        return ""
    rate = f"{kernel.rate / 1e9:.2f}"
    if kernel.beside is not None:
        return f"{rate} ({kernel.beside:.2f}*)"
    return " ".join([rate, *(f"({ratio:.2f})" for ratio in list(kernel.against.values())[:1])])


def _whole(results: Results) -> Iterator[str]:
    run = results.whole
    if run is None:
        return
    yield f"An image of {run.image // MIB} MiB, {run.filled // MIB} MiB of them no holes: an ext4 with files of the host's own."
    yield "Each step is done by all tools before the next begins, with warm caches, the program's too; it ends when what was written is"
    yield "synced. `make bench-whole` compares more settings.\n"
    for step in Step:
        rows = [_step(result) for result in run.results if result.step is step and result.rounds]
        yield f"{_begun(WORDS[step])}:\n"
        yield from _table(("", "wall s", "cpu s", "peak MiB", "stored MiB", "kept beside"), rows)
        yield ""
    yield "The faster of restic and borg : understudy; above 1 understudy is faster.\n"
    ratios = ((str(one.step), one.settings, one.against, f"{one.wall:.2f}", f"{one.cpu:.2f}") for one in run.ratios)
    yield from _table(("step", "settings", "fastest by the clock", "by the clock", "by processor"), ratios, 3)
    yield ""
    for tool in run.tools:
        yield f"- {tool.tool}, {tool.setting} ({tool.version}): {tool.why}."


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _step(result: Result) -> tuple[str, ...]:
    figure = best(result)
    assert figure is not None
    sizes = (f"{size / MIB:.0f}" for size in (figure.rss, figure.stored, figure.local))
    return f"{result.tool}, {result.setting}", f"{figure.wall:.1f}", f"{figure.cpu:.1f}", *sizes


def _live(results: Results) -> Iterator[str]:
    if results.live:
        yield "A guest writes 64 KiB at a time, anywhere in 1 GiB, in turns with and without replication. Latencies are in milliseconds, of"
        yield "all writes.\n"
        head = ("disk", "points every", "MB/s asked", "reached", "cycle s", "slowest", "RPO s", "p50", "with", "p99", "with")
        rows = []
        for row in results.live:
            asked = (f"{row.size >> 30} GiB", f"{row.every} s", f"{row.wanted / 1e6:g}", f"{row.followed.rate / 1e6:.0f}")
            took = (f"{seconds:.2f}" for seconds in (row.cycle, row.slowest, row.rpo))
            pairs = (row.alone.p50, row.followed.p50, row.alone.p99, row.followed.p99)
            rows.append((*asked, *took, *(f"{latency / 1e3:.2f}" for latency in pairs)))
        yield from _table(head, rows, 2)
        yield ""
    if results.idle:
        yield "A cycle in which nothing changed, in milliseconds; `beyond`: what QEMU's own answers did not take.\n"
        idle = (
            (one.disk, one.form, *(f"{seconds * 1e3:.0f}" for seconds in (one.cycle, one.beyond, one.cpu)), f"{one.syncs:g}")
            for one in results.idle
        )
        yield from _table(("disk", "image", "cycle", "beyond", "processor", "syncs"), idle, 2)
        yield ""
    if results.starts:
        yield "Seconds until a guest's kernel speaks: from a point, and from a local image by the hypervisor alone.\n"
        starts = (
            (one.disk, *(f"{seconds:.2f}" for seconds in (one.took, one.alone, one.took - one.alone, one.drained)))
            for one in results.starts
        )
        yield from _table(("disk", "from a point", "alone", "beyond", "then drained in"), starts)


def _growth(results: Results) -> Iterator[str]:
    if not results.growth:
        return
    yield "Whole processes. `known`: a site that replicates the machine; `new`: one that has never read the vault. `daemon`: until each"
    yield "machine has two points."
    for grown in dict.fromkeys(row.grown for row in results.growth):
        rows = [row for row in results.growth if row.grown == grown]
        numbers = sorted({row.number for row in rows})
        known = {(row.site, row.command, row.number): row for row in rows}
        yield f"\n{_begun(grown)}: seconds by the clock, seconds of processor, MiB.\n"
        names = dict.fromkeys((row.site, row.command) for row in rows)
        cells = ((f"{command} ({site})", *(_cost(known.get((site, command, number))) for number in numbers)) for site, command in names)
        yield from _table(("", *map(str, numbers)), cells)


def _cost(row: Growth | None) -> str:
    return f"{row.cost.wall:.1f}, {row.cost.cpu:.1f}, {row.cost.rss / MIB:.0f}" if row else ""
