"""One SVG for each part. The same figures give the same bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.report.results import Kernel, Results
from bench.whole.figures import best
from bench.whole.step import Step

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "understudy",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": "#dddddd",
        "figure.facecolor": "white",
        "legend.frameon": False,
    }
)
COLOURS = ("#1b6ca8", "#e07b39", "#5aa469", "#9c6fb0", "#c9a227", "#777777", "#d1495b", "#66a5ad", "#a0785a", "#b5b5b5")
Bars = dict[str, list[float]]
"""By series: one height for each place."""


def draw(results: Results, directory: Path) -> tuple[str, ...]:
    """The names of the plots that this run has figures for."""
    directory.mkdir(parents=True, exist_ok=True)
    made = []
    for name, plot in PLOTS.items():
        if figure := plot(results):
            for axes in figure.axes:
                _plain_numbers(axes)
            figure.savefig(directory / f"{name}.svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
            plt.close(figure)
            made.append(name)
    return tuple(made)


def _kernels(results: Results) -> plt.Figure | None:
    whats = ("memcpy", "xxh3", "encode, unchanged", "lz4", "aegis256", "encode, changed, aegis256", "encode, 2 threads", "decode")
    return _rates(results.kernels, whats, "kernels beside their limits")


def _pipeline(results: Results) -> plt.Figure | None:
    return _rates(results.pipeline, tuple(dict.fromkeys(kernel.what for kernel in results.pipeline)), "the pipeline by stage")


def _rates(kernels: Sequence[Kernel], whats: Sequence[str], title: str) -> plt.Figure | None:
    if not kernels:
        return None
    data = tuple(dict.fromkeys(kernel.data for kernel in kernels))
    rates = {(kernel.data, kernel.what): kernel.rate / 1e9 for kernel in kernels}
    figure, axes = plt.subplots(figsize=(9, 3.6))
    _bars(axes, data, {what: [rates.get((one, what), 0) for one in data] for what in whats})
    axes.set(title=title, ylabel="GB/s of plain data", yscale="log")
    return figure


def _whole(results: Results) -> plt.Figure | None:
    if not results.whole:
        return None
    steps = list(Step)
    bars: Bars = {}
    for result in results.whole.results:
        figure = best(result)
        bars.setdefault(f"{result.tool}, {result.setting}", [0.0] * len(steps))[steps.index(result.step)] = figure.wall if figure else 0
    figure, axes = plt.subplots(figsize=(9, 3.8))
    _bars(axes, [str(step) for step in steps], bars)
    axes.set(title=f"whole processes, an image of {results.whole.image / 2**30:g} GiB", ylabel="seconds by the clock", yscale="log")
    return figure


def _live(results: Results) -> plt.Figure | None:
    if not results.live:
        return None
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
    rows = sorted((row for row in results.live if row.every == 1), key=lambda row: (row.wanted, row.size))
    least = min((row.size for row in rows), default=0)
    rates = [row for row in rows if row.size == least]
    left.plot([row.followed.rate / 1e6 for row in rates], [row.rpo for row in rates], "o-", color=COLOURS[0], label="RPO, at most")
    left.plot([row.followed.rate / 1e6 for row in rates], [row.cycle for row in rates], "s-", color=COLOURS[1], label="cycle")
    left.set(title="points each second", xlabel="MB/s of 64 KiB writes", ylabel="seconds", ylim=(0, None))
    sizes = sorted({row.wanted for row in rows if row.size != least})
    for rate, colour in zip(sizes, COLOURS, strict=False):
        busy = [row for row in rows if row.wanted == rate]
        middle.plot([row.size / 2**30 for row in busy], [row.cycle for row in busy], "o-", color=colour, label=f"{rate / 1e6:g} MB/s")
    for form, colour in zip(dict.fromkeys(idle.form for idle in results.idle), COLOURS[3:], strict=False):
        idle = [one for one in results.idle if one.form == form]
        middle.plot([_gib(one.disk) for one in idle], [one.cycle for one in idle], "s-", color=colour, label=f"idle, {form}")
    if results.starts:
        took = [one.took - one.alone for one in results.starts]
        middle.plot([_gib(one.disk) for one in results.starts], took, "^-", color=COLOURS[2], label="failover, beyond QEMU's")
    middle.set(title="against the disk's size", xlabel="GiB, sparse", xscale="log", ylim=(0, None))
    writing = [row for row in results.live if row.wanted and row.size == least]
    names = [f"{row.wanted / 1e6:g} MB/s\n{row.every} s" for row in writing]
    series = {"p50 without": "alone", "p99 without": "alone", "p50 with": "followed", "p99 with": "followed"}
    _bars(right, names, {name: [getattr(getattr(row, of), name[:3]) / 1e3 for row in writing] for name, of in series.items()}, columns=2)
    right.set(title="a guest's writes", ylabel="milliseconds", yscale="log")
    for axes in (left, middle):
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=7)
    return figure


def _growth(results: Results) -> plt.Figure | None:
    if not results.growth:
        return None
    figure, pairs = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for (grown, words), column in zip({"points": "points of one machine", "machines": "machines"}.items(), range(2), strict=True):
        rows = [row for row in results.growth if row.grown == grown]
        for number, (site, command) in enumerate(dict.fromkeys((row.site, row.command) for row in rows)):
            line = [row for row in rows if (row.site, row.command) == (site, command)]
            style = {"marker": "o", "markersize": 3, "color": COLOURS[number % len(COLOURS)], "label": f"{command} ({site})"}
            pairs[0][column].plot([row.number for row in line], [row.cost.wall for row in line], **style)
            pairs[1][column].plot([row.number for row in line], [row.cost.rss / 2**20 for row in line], **style)
        pairs[0][column].set(title=f"against {words}", xscale="log", yscale="log", ylabel="seconds by the clock")
        pairs[1][column].set(xlabel=words, xscale="log", ylabel="MiB resident", ylim=(0, None))
        pairs[0][column].legend(fontsize=7)
    return figure


def _bars(axes: Axes, places: Sequence[str], bars: Bars, columns: int = 4) -> None:
    width = 0.85 / max(len(bars), 1)
    for number, (name, heights) in enumerate(bars.items()):
        at = [place + (number - (len(bars) - 1) / 2) * width for place in range(len(places))]
        axes.bar(at, heights, width * 0.95, label=name, color=COLOURS[number % len(COLOURS)])
    axes.set_xticks(range(len(places)), places)
    axes.legend(fontsize=7, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.12 - 0.08 * any("\n" in place for place in places)))


def _plain_numbers(axes: Axes) -> None:
    """0.1 and 1000, not powers of ten, along logarithmic axes."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def _gib(disk: str) -> float:
    number, unit = disk.split()
    return float(number) * {"GiB": 1, "TiB": 1024}[unit]


PLOTS: dict[str, Callable[[Results], plt.Figure | None]] = {
    "kernels": _kernels,
    "pipeline": _pipeline,
    "whole": _whole,
    "live": _live,
    "growth": _growth,
}
