"""Holds a run's ratios against those that were recorded: `python -m bench.guard [RESULTS] [--record]`. Ratios alone, since a time says more
of a machine than of the code.

Each is so written that more is better. One has fallen if it is below what was recorded by more than its tolerance, which is as wide as two
quiet runs of the same code were seen to differ. What a run left out is not held against it.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.report.ratios import Ratio, ratios_of
from bench.report.results import Results

RECORDED = Path(__file__).with_name("ratios.json")
NEWEST = Path("build/bench/results.json")


class Verdict(StrEnum):
    HELD = "held"
    FELL = "FELL"
    ROSE = "rose: record it"
    LEFT_OUT = "left out of this run"
    NEW = "new: record it"


class Held(NamedTuple):
    name: str
    recorded: Ratio | None
    measured: float | None
    verdict: Verdict


def held(recorded: Mapping[str, Ratio], measured: Mapping[str, Ratio]) -> tuple[Held, ...]:
    """Every ratio that is known or was measured, by name."""
    return tuple(_one(name, recorded.get(name), measured.get(name)) for name in sorted(recorded.keys() | measured.keys()))


def _one(name: str, recorded: Ratio | None, measured: Ratio | None) -> Held:
    if recorded is None or measured is None:
        return Held(name, recorded, measured and measured.ratio, Verdict.NEW if recorded is None else Verdict.LEFT_OUT)
    quotient = measured.ratio / recorded.ratio
    if quotient < 1 - recorded.tolerance:
        verdict = Verdict.FELL
    elif quotient > 1 / (1 - recorded.tolerance):
        verdict = Verdict.ROSE
    else:
        verdict = Verdict.HELD
    return Held(name, recorded, measured.ratio, verdict)


def fell(rows: Sequence[Held]) -> bool:
    return any(row.verdict is Verdict.FELL for row in rows)


def lines(rows: Sequence[Held]) -> Iterator[str]:
    """What fell first; of what held, how many there were."""
    told = [row for verdict in (Verdict.FELL, Verdict.ROSE, Verdict.NEW) for row in rows if row.verdict is verdict]
    if told:
        width = max(len(row.name) for row in told)
        yield f"{'ratio (more is better)':{width}}  {'recorded':>9} {'tolerance':>9} {'now':>9}"
        for row in told:
            was, room = (f"{row.recorded.ratio:.2f}", f"-{row.recorded.tolerance:.0%}") if row.recorded else ("", "")
            yield f"{row.name:{width}}  {was:>9} {room:>9} {row.measured or 0:9.2f}   {row.verdict}"
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    said = [f"{counts[verdict]} {words}" for verdict, words in _WORDS.items() if counts[verdict]]
    yield f"ratios beside the recorded ones: {', '.join(said) or 'none'}"


_WORDS = {
    Verdict.HELD: "held",
    Verdict.FELL: "FELL",
    Verdict.ROSE: "rose",
    Verdict.NEW: "not recorded",
    Verdict.LEFT_OUT: "not in this run",
}


def recorded() -> dict[str, Ratio]:
    return msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, Ratio]) if RECORDED.exists() else {}


def record(measured: Mapping[str, Ratio]) -> None:
    """What this run left out stays as it was recorded."""
    known = recorded() | {name: Ratio(round(ratio.ratio, 3), ratio.tolerance) for name, ratio in measured.items()}
    RECORDED.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(known.items()))), indent=1) + b"\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.guard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="?", type=Path, default=NEWEST, help="of a run of `make bench`; its newest by default")
    parser.add_argument("--record", action="store_true", help="these are what later runs are held against")
    asked = parser.parse_args(arguments)
    if not asked.results.exists():
        parser.error(f"{asked.results} is not there: run `make bench` first")
    measured = ratios_of(msgspec.json.decode(asked.results.read_bytes(), type=Results))
    rows = held(recorded(), measured)
    for line in lines(rows):
        print(line)
    if asked.record:
        record(measured)
        return 0
    return 1 if fell(rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
