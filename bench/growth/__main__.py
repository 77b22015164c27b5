"""What growth costs: the same commands on vaults of 1 to 10 000 points, of 1 to 100 machines, and of disks of 4 GiB to 1 TiB that hold the
same 64 MiB, each a whole process; and a daemon of 1 to 100 machines.

    python -m bench.growth [--points 1,100,1000,10000] [--machines 1,10,100] [--disks 4,1024] [--rounds 3] [--json FILE]

`known` is a site that replicates the machine, `new` one that has never read this vault: a site on the day on which the other is lost.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.growth.daemon import daemon_of
from bench.growth.figures import Row
from bench.growth.vaults import CACHE, MACHINE, of_machines, of_points, oldest
from bench.whole.measure import Cost, cost_of
from bench.whole.tool import Command

PROGRAM = str(Path(sys.executable).with_name("understudy"))
LIST = ("points", MACHINE)
LOOKS = {"list": LIST, "usage": ("usage", MACHINE), "restore the newest": ("restore", f"{MACHINE}@latest")}
AMONG_MANY = {"list": ("vault", "info"), "restore one": ("restore", f"{MACHINE}-001@latest")}
PRUNES = (("prune", MACHINE, "--yes"), ("collect", MACHINE, "--grace", "0", "--yes"))
"""After a policy that keeps the newest point alone."""
HELD = 64 << 20


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=_numbers, default=(1, 100, 1000, 10_000))
    parser.add_argument("--machines", type=_numbers, default=(1, 10, 100))
    parser.add_argument("--disks", type=_numbers, default=(4, 1024), help="GiB, sparse")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare", action="store_true", help="only make the vaults, which are kept")
    parser.add_argument("--json", type=Path, help="write all figures here, too")
    asked = parser.parse_args(arguments)
    if asked.prepare:
        of_points(asked.points)
        of_machines(asked.machines)
        return
    rows = []
    print(f"{'vault of':>16} {'site':6} {'command':20} {'wall s':>8} {'cpu s':>8} {'RSS MiB':>8}")
    for row in measured(asked.points, asked.machines, asked.disks, asked.rounds):
        rows.append(row)
        cost = row.cost
        of = f"{row.number} {row.grown}"
        print(f"{of:>16} {row.site:6} {row.command:20} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.rss / 2**20:8.0f}", flush=True)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")


def measured(points: tuple[int, ...], machines: tuple[int, ...], disks: tuple[int, ...], rounds: int) -> Iterator[Row]:
    for number, place in sorted(of_points(points).items()):
        for what, words in (LOOKS | {"restore the oldest": ("restore", f"{MACHINE}@{oldest(place)}")}).items():
            yield Row("points", number, "known", what, _least(place, words, rounds))
        yield Row("points", number, "new", "list", _least(place, LIST, rounds, known=False))
        with tempfile.TemporaryDirectory(dir=place.parent) as copy:
            pruned = shutil.copytree(place, Path(copy) / "pruned", symlinks=True)
            _cost(pruned, ("retention", "set", MACHINE, "--all-for", "1s", "--yes"))
            for words in PRUNES:
                yield Row("points", number, "known", words[0], _cost(pruned, words))
            yield Row("points", number, "known", "list, pruned", _least(pruned, LIST, rounds))
    for number, place in sorted(of_machines(machines).items()):
        for site in ("known", "new"):
            for what, words in AMONG_MANY.items():
                yield Row("machines", number, site, what, _least(place, words, rounds, known=site == "known"))
        yield daemon_of(number)
    for number in disks:
        yield from _disk(number)


def _disk(gib: int) -> Iterator[Row]:
    """The first point of a disk, and one that finds nothing changed."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        place = Path(name)
        with (place / "vda.raw").open("wb") as file:
            file.write(os.urandom(HELD))
            file.truncate(gib << 30)
        for words in (("vault", "create"), ("protect", MACHINE, "--disk", f"vda={place}/vda.raw")):
            _cost(place, words)
        for what in ("first point", "second point"):
            yield Row("GiB of disk", gib, "known", what, _cost(place, ("replicate", MACHINE)))


def _least(place: Path, words: tuple[str, ...], rounds: int, *, known: bool = True) -> Cost:
    return min((_cost(place, words, known=known) for _ in range(rounds)), key=lambda cost: cost.wall)


def _cost(place: Path, words: tuple[str, ...], *, known: bool = True) -> Cost:
    with tempfile.TemporaryDirectory() as fresh:
        to = ("--to", f"{fresh}/restored") if words[0] == "restore" else ()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": fresh,
            "LC_ALL": "C.UTF-8",
            "UNDERSTUDY_VAULT": (place / "vault").as_uri(),
            "UNDERSTUDY_KEY_FILE": str(place / "operator.key"),
            "UNDERSTUDY_STATE_DIR": str(place / "state" if known else Path(fresh) / "state"),
        }
        return cost_of([Command((PROGRAM, *words, *to), Path(fresh))], environment)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
