"""The whole suite: every part, one page with plots, one JSON, and the ratios beside those that were recorded.

    python -m bench [--only kernels,whole,live,cycles,growth] [--gib 4] [--rounds 1] [--to build/bench] [--record]

The parts with their sizes as they are took 14.6 minutes on two cores, and what is made once and kept, the image and vaults, four more;
each can be run by itself with larger ones (`python -m bench.whole --help`). Ends with an error where a ratio fell. `--record`: the page
becomes docs/performance.md, and its ratios those that later runs are held against.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import guard
from bench.growth.figures import Row as Growth
from bench.live.figures import Row as Live
from bench.report.host import commit_of, host_of
from bench.report.page import page_of
from bench.report.reading import idle_of, kernels_of, starts_of
from bench.report.results import Results
from bench.whole.arguments import counted, named, sized
from bench.whole.figures import Run as Whole
from bench.whole.workload import CACHE, GIB, image_of, must_have_room

CHECKOUT = Path(__file__).parents[1]
PAGE = "performance.md"
PLOTS = "performance"
KERNELS = ("test_kernels",)
PIPELINE = ("test_stages", "test_pipeline")
CYCLES = ("test_idle", "test_start")
PYTEST = ("-m", "pytest", "--benchmark-only", "-o", "addopts=--import-mode=importlib", "-q", "--benchmark-columns=min,median,max,rounds")
SECONDS = "--benchmark-max-time=0.3"
"""For each kernel: of 166 the least was 0.99 of that of twice as long (the median), as it was between two runs that were."""


class Part(NamedTuple):
    """`words`: after the interpreter, before the option and the name of the JSON that it is to write."""

    words: tuple[str, ...]
    option: str = "--json"


def parts(size: int, rounds: int) -> dict[str, Part]:
    """In the order in which they run: what writes most to the disk comes last."""
    return {
        "kernels": Part((*PYTEST, SECONDS, *(f"bench/{name}.py" for name in (*KERNELS, *PIPELINE))), "--benchmark-json"),
        "cycles": Part((*PYTEST, *(f"bench/{name}.py" for name in CYCLES)), "--benchmark-json"),
        "live": Part(("-m", "bench.live", "--rates", "10,100", "--sizes", "1,8192", "--seconds", "6", "--rare", "30")),
        "growth": Part(("-m", "bench.growth", "--rounds", "1")),
        "whole": Part(("-m", "bench.whole", "--gib", f"{size / GIB:g}", "--rounds", str(rounds), "--brief")),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=named, default="", help="names of parts, with commas")
    parser.add_argument("--gib", dest="size", metavar="GIB", type=sized, default="4", help="size of the image of whole processes")
    parser.add_argument("--rounds", type=counted, default=1, help="of whole processes")
    parser.add_argument("--to", type=Path, default=CHECKOUT / "build" / "bench", help="the directory of the page, its plots and the JSON")
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args(arguments)
    known = parts(asked.size, asked.rounds)
    chosen = asked.only or tuple(known)
    if unknown := set(chosen) - known.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if "whole" in chosen:
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            must_have_room(CACHE, asked.size)
        except ValueError as error:
            parser.error(f"{error}; choose a smaller --gib, or leave out whole (--only)")
    from bench.report.plots import draw  # matplotlib comes with `make bench` alone: what is asked for is refused without it

    asked.to.mkdir(parents=True, exist_ok=True)
    prepare(chosen, asked.size)
    results = run({name: part for name, part in known.items() if name in chosen}, asked.to, arguments)
    (asked.to / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (asked.to / PAGE).write_text(page_of(results, draw(results, asked.to / PLOTS)))
    print(f"\n{asked.to / PAGE}: {sum(results.seconds.values()) / 60:.1f} minutes")
    if asked.record:
        publish(asked.to)
    return guard.main([str(asked.to / "results.json"), *(["--record"] if asked.record else [])])


def prepare(chosen: Sequence[str], size: int) -> None:
    """What is made once and kept: the image, the vaults that have grown."""
    began = time.monotonic()
    if "whole" in chosen:
        image_of(size)
    if "growth" in chosen:
        subprocess.run([sys.executable, "-m", "bench.growth", "--prepare"], cwd=CHECKOUT, check=True)
    print(f"prepared in {time.monotonic() - began:.0f} s", flush=True)


def run(chosen: dict[str, Part], to: Path, arguments: Sequence[str]) -> Results:
    began, host, commit = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), host_of(to), commit_of(CHECKOUT)
    seconds: dict[str, float] = {}
    found: dict[str, Any] = {}
    for name, part in chosen.items():
        print(f"\n=== {name}", flush=True)
        file, started = to.absolute() / f"{name}.json", time.monotonic()
        subprocess.run([sys.executable, *part.words, part.option, str(file)], cwd=CHECKOUT, check=True)
        seconds[name] = time.monotonic() - started
        found[name] = msgspec.json.decode(file.read_bytes())
        file.unlink()
    kernels = found.get("kernels", {}).get("benchmarks", ())
    cycles = found.get("cycles", {}).get("benchmarks", ())
    return Results(
        began=began,
        commit=commit,
        command=" ".join(("make bench", *((f'ARGS="{words}"',) if (words := _shown(arguments)) else ()))),
        host=host,
        seconds=seconds,
        kernels=kernels_of(kernels, *KERNELS),
        pipeline=kernels_of(kernels, *PIPELINE),
        whole=msgspec.convert(found["whole"], Whole) if "whole" in found else None,
        live=msgspec.convert(found.get("live", []), tuple[Live, ...]),
        idle=idle_of(cycles),
        starts=starts_of(cycles),
        growth=msgspec.convert(found.get("growth", []), tuple[Growth, ...]),
    )


def _shown(arguments: Sequence[str]) -> str:
    """Without where it went to, and that it was recorded."""
    pairs = zip(("", *arguments), arguments, strict=False)
    return " ".join(word for before, word in pairs if word not in ("--record", "--to") and before != "--to")


def publish(made: Path) -> None:
    """The page and its plots, in place of those in docs/."""
    docs = CHECKOUT / "docs"
    shutil.rmtree(docs / PLOTS, ignore_errors=True)
    shutil.copytree(made / PLOTS, docs / PLOTS)
    shutil.copy(made / PAGE, docs / PAGE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
