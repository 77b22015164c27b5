"""Copies of the image as it is, neither compressed nor encrypted nor kept in versions: the floor. Each replaces the one before."""

import msgspec

from bench.whole.step import Step
from bench.whole.tool import IMAGE, Cannot, Command, Place


class Copy(msgspec.Struct, frozen=True):
    name: str
    setting: str
    why: str
    program: tuple[str, ...]
    """Before the paths of what is copied, and of its copy."""
    version: tuple[str, ...]
    encrypts: bool = False

    def environment(self, place: Place) -> dict[str, str]:
        return {}

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return ()

    def commands(self, step: Step, place: Place) -> tuple[Command, ...] | Cannot:
        copied = place.stored / IMAGE
        match step:
            case Step.PRUNE:
                return Cannot("keeps no versions: there is nothing to prune")
            case Step.RESTORE:
                paths = copied, place.restored / IMAGE
            case _:
                paths = place.image, copied
        return (Command((*self.program, *map(str, paths)), place.home),)


QEMU_IMG = Copy(
    "qemu-img",
    "convert",
    "raw to raw, all of it each time; holes stay holes",
    ("qemu-img", "convert", "-f", "raw", "-O", "raw"),
    ("qemu-img", "--version"),
)
NBDCOPY = Copy("nbdcopy", "defaults", "file to file, all of it each time", ("nbdcopy",), ("nbdcopy", "--version"))
RSYNC_WHOLE = Copy(
    "rsync",
    "--inplace",
    "between files of one host it copies all of a file whose times differ, without a look for what is the same",
    ("rsync", "--times", "--inplace"),
    ("rsync", "--version"),
)
RSYNC_DELTA = Copy(
    "rsync",
    "--inplace --no-whole-file",
    "as to another host: reads both sides, writes what differs",
    ("rsync", "--times", "--inplace", "--no-whole-file"),
    ("rsync", "--version"),
)
