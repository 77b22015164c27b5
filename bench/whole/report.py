"""A run as text: every step with all tools, then understudy beside the faster of restic and borg."""

from collections.abc import Iterator

from bench.whole.figures import Figure, Ratio, Result, Run, best
from bench.whole.step import WORDS, Step

HEAD = f"  {'':32} {'wall s':>8} {'cpu s':>8} {'kernel':>8} {'RSS MiB':>8} {'stored':>8} {'local':>8} {'others':>7}"
TOO_BUSY = 0.5
"""Processors: with more of them busy elsewhere, the clock says little."""


def lines(run: Run) -> Iterator[str]:
    yield f"{run.began}, {run.host.processor}, {run.host.cores} cores, {run.host.memory >> 30} GiB, Linux {run.host.kernel}"
    yield f"image of {run.image >> 20} MiB, {run.filled >> 20} MiB of them no holes; 1 % are {run.changed} blocks of 4 KiB"
    yield ""
    for told in run.tools:
        yield f"{told.tool}, {told.setting} ({told.version}; {'' if told.encrypts else 'not '}encrypted): {told.why}"
    for step in Step:
        yield f"\n{WORDS[step]}\n{HEAD}"
        yield from (_line(result) for result in run.results if result.step is step)
    yield "\nthe faster of restic and borg : understudy (above 1: understudy is faster)"
    yield from map(_told, run.ratios)
    yield from (f"\nFAILED: {words}" for words in run.failed)
    busiest = max((figure.others for result in run.results for figure in result.rounds), default=0.0)
    if busiest > TOO_BUSY:
        yield f"\nup to {busiest:.1f} processors were busy with other work: hold the ratios by processor above those by the clock"


def _line(result: Result) -> str:
    figure = best(result)
    name = f"{result.tool}, {result.setting}"
    return f"  {name:32} {result.cannot}" if figure is None else f"  {name:32} {_said(figure)}"


def _said(figure: Figure) -> str:
    sizes = " ".join(f"{size / 2**20:8.0f}" for size in (figure.rss, figure.stored, figure.local))
    return f"{figure.wall:8.2f} {figure.cpu:8.2f} {figure.kernel:8.2f} {sizes} {figure.others:7.2f}"


def _told(ratio: Ratio) -> str:
    target = f"   target x{ratio.target:g}: {'met' if ratio.wall >= ratio.target else 'MISSED'}" if ratio.target else ""
    said = f"{ratio.step:12} {ratio.settings:10} x{ratio.wall:6.2f} by the clock ({ratio.against}), x{ratio.cpu:6.2f} by processor"
    return f"  {said}{target}"
