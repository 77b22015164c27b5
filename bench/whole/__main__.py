"""understudy beside what an operator would use instead, on the same work, disk and hour, each as whole processes.

    python -m bench.whole [--gib 4 | --image FILE] [--rounds 1] [--only understudy,restic] [--brief] [--json FILE] [--where .cache/bench]

Every tool does a step before any does the next, so that those who are compared run within a minute or two of each other. Before each,
all that it will read was read once, its program too, and what others wrote is on the disk. A step has ended when every file that the
tool left is synced, whether it does so itself or not: that is one more command of the step for all. Restored images are compared with
the image.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.whole.arguments import counted, named, sized
from bench.whole.report import lines
from bench.whole.run import compared
from bench.whole.tools.known import chosen
from bench.whole.workload import CACHE, image_of, must_be_comparable, must_have_room


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.whole", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--gib", dest="size", metavar="GIB", type=sized, default="4", help="size of the image")
    given.add_argument("--image", type=Path, help="a raw image of your own instead; it is copied, and only the copy is changed")
    parser.add_argument("--rounds", type=counted, default=1, help="the quickest of so many counts")
    parser.add_argument("--only", type=named, default="", help="names of tools, with commas")
    parser.add_argument("--brief", action="store_true", help="leave out what is seldom the fastest of its tool")
    parser.add_argument("--json", type=Path, help="write all figures here, too")
    parser.add_argument("--where", type=Path, default=CACHE, help="on the disk that all are measured on; takes some ten times the image")
    asked = parser.parse_args(arguments)
    try:
        tools = chosen(asked.only, brief=asked.brief)
        size = must_be_comparable(asked.image) if asked.image else asked.size
        asked.where.mkdir(parents=True, exist_ok=True)
        must_have_room(asked.where, size)
        if asked.json and (asked.json.is_dir() or not asked.json.absolute().parent.is_dir()):
            raise ValueError(f"--json {asked.json}: it is a directory, or there is no such directory")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was made goes, as after Ctrl-C
    with tempfile.TemporaryDirectory(dir=asked.where.absolute(), prefix="run-") as home:
        run = compared(tools, asked.image or image_of(size), asked.rounds, Path(home))
    for line in lines(run):
        print(line)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
