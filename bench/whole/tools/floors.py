"""Not tools: the one thing that bounds a step on this machine, alone."""

import sys
from pathlib import Path

import msgspec

from bench.whole.step import Step
from bench.whole.tool import IMAGE, Cannot, Command, Place

NAME = "floor"
LOADED = """
import platform, numpy, understudy.native.lz4block
print("Python", platform.python_version())
"""
CHECKOUT = Path(__file__).parents[3]


class Floor(msgspec.Struct, frozen=True):
    setting: str
    why: str
    bounds: Step
    work: str
    name: str = NAME
    encrypts: bool = False
    version: tuple[str, ...] = (sys.executable, "-c", LOADED)

    def environment(self, place: Place) -> dict[str, str]:
        return {"PYTHONPATH": str(CHECKOUT)}

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return ()

    def commands(self, step: Step, place: Place) -> tuple[Command, ...] | Cannot:
        if step is not self.bounds:
            return Cannot("bounds another step")
        to = (str(place.restored / IMAGE),) if step is Step.RESTORE else ()
        return (Command((sys.executable, "-m", "bench.whole.floor", self.work, str(place.image), *to), place.home),)


LZ4 = Floor(
    "LZ4 alone", "all that is no hole read and compressed, on every processor, nothing stored: what LZ4 itself takes", Step.INITIAL, "lz4"
)
DISK = Floor("disk alone", "the image written past the page cache and synced: what the disk takes to hold it", Step.RESTORE, "disk")
