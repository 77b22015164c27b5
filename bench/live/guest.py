"""A real guest that writes at a rate, and says how long its writes took."""

import re
import time
from pathlib import Path

import msgspec

from bench.live.figures import Window
from tests.live.two_sites import Home, compiled
from understudy.demo.accelerator import find_accelerator
from understudy.demo.kit import build_kit

SCRIPT = """
until [ -b /dev/vda ]; do usleep 20000; done
writes /dev/vda {area} {length} {rate} {window}
"""
MIB = 1 << 20
AREA = 1024
"""MiB at the disk's beginning that it writes to, so that no run fills the host's disk with what is never overwritten."""
WINDOW = 1
PATIENCE = 120


class Load(msgspec.Struct, frozen=True):
    """Bytes a second of random writes of `length` bytes."""

    rate: int
    length: int = 64 << 10


class Guest:
    def __init__(self, directory: Path, load: Load, size: int) -> None:
        self.load = load
        kit = build_kit()
        script = SCRIPT.format(area=AREA, length=load.length, rate=load.rate >> 10, window=WINDOW)
        programs = {"/bin/writes": compiled(Path(__file__).with_name("writes.c"), directory)}
        self.accelerator = find_accelerator(kit).accelerator
        self._home = Home(directory, kit, self.accelerator, size=size, script=script, programs=programs)

    @property
    def qmp(self) -> Path:
        return self._home.qmp

    def start(self) -> None:
        """Until it has said a window."""
        self._home.start()
        end = time.monotonic() + PATIENCE
        while not self.windows():
            if time.monotonic() > end:
                raise RuntimeError(f"the guest says nothing: {self._home.console[-500:]}")
            time.sleep(0.1)

    def windows(self) -> list[Window]:
        """All that it has said."""
        return [msgspec.json.decode(said, type=Window) for said in re.findall(r"^@window (\{.*\})$", self._home.console, re.MULTILINE)]

    def kill(self) -> None:
        self._home.kill()
