"""Many machines of sparse files that somebody writes to all the time."""

import os
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

GIB = 1 << 30
FILLED = 8 << 20
"""Bytes with which a disk begins."""
PATCH = 64 << 10
INTERVALS = (5, 10, 15, 30, 60)


@dataclass
class Disk:
    """A sparse file; data lies in a few places of it. `lock` is held while it is written."""

    name: str
    path: Path
    size: int
    places: list[int]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self) -> None:
        with self.path.open("xb") as file:
            file.truncate(self.size)
            for place in self.places:
                file.seek(place)
                file.write(os.urandom(FILLED // len(self.places)))

    def change(self, chance: random.Random) -> None:
        place = chance.choice(self.places) + chance.randrange(FILLED // len(self.places) // PATCH) * PATCH
        with self.lock, self.path.open("r+b") as file:
            file.seek(place)
            file.write(os.urandom(PATCH))

    def content(self) -> dict[int, bytes]:
        with self.path.open("rb") as file:
            found = {}
            for place in self.places:
                file.seek(place)
                found[place] = file.read(FILLED // len(self.places))
        return found


class Crowd:
    """`count` disks of 1 to 50 GiB; `rate` patches a second go to any of them while it is entered."""

    def __init__(self, directory: Path, count: int, rate: float, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._rate = rate
        self._over = threading.Event()
        self._writer = threading.Thread(target=self._write, name="writer")
        directory.mkdir()
        self.disks = [self._disk(directory, number) for number in range(count)]

    def _disk(self, directory: Path, number: int) -> Disk:
        size = self._chance.randint(1, 50) * GIB
        places = sorted(self._chance.sample(range(0, size, GIB // 4), 4))
        disk = Disk(f"m{number:03}", directory / f"m{number:03}", size, places)
        disk.make()
        return disk

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        self._over.set()
        if self._writer.is_alive():
            self._writer.join()

    def _write(self) -> None:
        while not self._over.wait(self._chance.expovariate(self._rate)):
            self._chance.choice(self.disks).change(self._chance)
