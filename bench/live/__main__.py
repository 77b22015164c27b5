"""A live guest under replication: its writes' latency beside the same without, its cycles, and the RPO that they give.

    python -m bench.live [--rates 0,1,10,50,100] [--sizes 1,1024,8192] [--seconds 20] [--rare 30] [--json FILE]

For each rate (MB/s of random 64 KiB writes, half of each compressible) on the smallest of the sizes (GiB, sparse), and for 10 MB/s on
each of them, a guest of its own writes for turns with and without a point each second, in the same run; then the same once with points
that are `--rare` seconds apart, in turns that hold one. Under software emulation the guest's own processor is a good part of every
figure: what counts are the quotients.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.live.figures import Row, Window, latency_of
from bench.live.following import Place, rpo
from bench.live.guest import WINDOW, Guest, Load

TURNS = 2
"""With and without, for points that are made often; one, for those that are rare."""
LATER = 5
"""Seconds for which a turn goes on after its only point has begun."""
SETTLES = 2
"""Windows at a turn's beginning that count for neither: Python's start, and the first cycle."""
BUSY = 10
OFTEN = 1
"""Seconds from one point to the next."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=_numbers, default=(0, 1, 10, 50, 100))
    parser.add_argument("--sizes", type=_numbers, default=(1, 1024, 8192))
    parser.add_argument("--seconds", type=int, default=20, help="of each turn; there are two with and two without")
    parser.add_argument("--rare", type=int, default=30, help="0: not at all")
    parser.add_argument("--json", type=Path, help="write all figures here, too")
    asked = parser.parse_args(arguments)
    least = asked.sizes[0]
    wanted = sorted({(least, rate) for rate in asked.rates} | {(size, BUSY) for size in asked.sizes})
    runs = [(size, rate, OFTEN, [asked.seconds] * TURNS) for size, rate in wanted]
    if asked.rare:
        runs.append((least, BUSY, asked.rare, [asked.rare + LATER]))
    rows = []
    head = f"{'disk':>9} {'every':>5} {'asked':>6} {'got':>6}  {'cycle s':>7} {'most':>6} {'RPO s':>6}"
    print(f"{head}  {'p50 us':>15} {'p99 us':>17} {'p99 by':>7}")
    for size, rate, every, turns in runs:
        row = measured(size << 30, rate * 1_000_000, every, turns)
        rows.append(row)
        print(_line(row), flush=True)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")


def measured(size: int, rate: int, every: int, turns: Sequence[int]) -> Row:
    with tempfile.TemporaryDirectory(prefix="us-") as name:
        home, guest, place = Path(name), Guest(Path(name), Load(rate), size), Place(Path(name) / "u")
        (home / "u").mkdir()
        guest.start()
        try:
            place.protect(guest.qmp)
            alone, followed, cycles = [], [], []
            for seconds in turns:
                alone += _turn(guest, seconds)
                with place.followed(f"{every}s") as found:
                    followed += _turn(guest, seconds)
                cycles.append(found.cycles)
        finally:
            guest.kill()
    every_cycle = [cycle for turn in cycles for _, cycle in turn[1:]]  # the first one makes up for the turn without
    return Row(
        size=size,
        wanted=rate,
        every=every,
        accelerator=guest.accelerator,
        alone=latency_of(alone, guest.load.length, WINDOW),
        followed=latency_of(followed, guest.load.length, WINDOW),
        cycles=len(every_cycle),
        cycle=statistics.median(cycle.seconds for cycle in every_cycle),
        slowest=max(cycle.seconds for cycle in every_cycle),
        rpo=max(rpo(turn[1:]) for turn in cycles),
        stored=sum(cycle.stored_bytes for cycle in every_cycle),
    )


def _turn(guest: Guest, seconds: int) -> list[Window]:
    before = len(guest.windows())
    time.sleep(seconds)
    return guest.windows()[before + SETTLES :]


def _line(row: Row) -> str:
    times = f"{row.cycle:7.3f} {row.slowest:6.2f} {row.rpo:6.2f}"
    p50, p99 = (f"{was:.0f} -> {now:.0f}" for was, now in _pairs(row))
    by = f"x{row.followed.p99 / row.alone.p99:.2f}" if row.alone.p99 else ""
    what = f"{row.size >> 30:5} GiB {row.every:4}s {row.wanted / 1e6:6.0f} {row.followed.rate / 1e6:6.1f}"
    return f"{what}  {times}  {p50:>15} {p99:>17} {by:>7}"


def _pairs(row: Row) -> Iterator[tuple[float, float]]:
    yield row.alone.p50, row.followed.p50
    yield row.alone.p99, row.followed.p99


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
