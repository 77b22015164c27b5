"""What a run says as it goes on, and how it ends."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Breach(Exception):
    """Something that must hold does not."""


def must(holds: object, what: str, *seen: Any) -> None:
    if not holds:
        raise Breach(": ".join([what, *(str(one) for one in seen)]))


class Record:
    """Lines on the screen, and with `out` in a file, as JSON, each with what the run is called."""

    def __init__(self, run: str, out: Path | None) -> None:
        self._run = run
        self._out = out
        self._began = time.monotonic()

    def say(self, what: str, **figures: Any) -> None:
        line = {"run": self._run, "at": round(time.monotonic() - self._began, 1), "what": what, **figures}
        print(
            " ".join([f"{line['at']:7.1f}", self._run, what, *(f"{name}={_short(figure)}" for name, figure in figures.items())]), flush=True
        )
        if self._out is not None:
            with self._out.open("a") as file:
                file.write(json.dumps(line) + "\n")


def _short(figure: Any) -> str:
    return json.dumps(figure, separators=(",", ":")) if isinstance(figure, dict | list | tuple) else str(figure)


def words_of(about: str | None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, help="a file to which each line is added as JSON")
    return words


def play(name: str, out: Path | None, run: Callable[[Path, Record], None]) -> None:
    """In a directory whose path leaves room for a socket's name; it stays where something did not hold."""
    record = Record(name, out)
    directory = Path(tempfile.mkdtemp(prefix="us-endure-"))
    try:
        run(directory, record)
    except (Breach, AssertionError) as breach:
        record.say("BREACH", seen=str(breach), left=str(directory))
        sys.exit(1)
    except Exception as error:
        record.say("BREACH", seen=repr(error), left=str(directory))
        raise
    record.say("all of it held")
    shutil.rmtree(directory)
