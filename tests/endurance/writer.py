"""A machine whose disk is written to without a pause, and what the disk held at any instant."""

import asyncio
import random
import threading
import time
from bisect import bisect_left
from pathlib import Path
from typing import Any, NamedTuple

from tests.source.machine import Machine, blockdev

SIZE = 16 << 20
SLOT = 256 << 10
_NOISES = 8
_PAUSE = (0.05, 0.4)
_LATE = 10_000_000_000


class Write(NamedTuple):
    """`began`, `ended`: nanoseconds of the wall clock."""

    offset: int
    length: int
    noise: int
    began: int
    ended: int


class Writer:
    """A QEMU, and a thread that writes noise through its block layer, one write after the other."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._chance = random.Random(seed)
        self._noises = [random.Random(seed * 100 + number).randbytes(SLOT) for number in range(_NOISES)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="writer")
        self._up = threading.Event()
        self.machine = Machine(directory, [blockdev(directory, "vda", "raw", SIZE)])
        self.writes: list[Write] = []
        self.failure: BaseException | None = None

    def __enter__(self) -> "Writer":
        for number, noise in enumerate(self._noises):
            (self._directory / f"noise{number}").write_bytes(noise)
        self._thread.start()
        self._up.wait()
        self.must_write()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def must_write(self) -> None:
        if self.failure is not None:
            raise self.failure

    def held(self, frozen_at: int, content: bytes) -> int | None:
        """How many writes the disk had seen when it held this, if it ever did around this instant: all that had ended are in it."""
        writes = list(self.writes)
        least = bisect_left([write.ended for write in writes], frozen_at)
        image = bytearray(SIZE)
        for number, write in enumerate(writes):
            if number >= least and image == content:
                return number
            if number >= least and write.began > frozen_at + _LATE:
                return None
            image[write.offset : write.offset + write.length] = self._noises[write.noise][: write.length]
        return len(writes) if image == content else None

    async def _run(self) -> None:
        try:
            await self.machine.start()
            self._up.set()
            while not self._over.is_set():
                await self._write()
                await asyncio.sleep(self._chance.uniform(*_PAUSE))
        except BaseException as error:
            self.failure = error
        finally:
            self._up.set()
            await self.machine.kill()

    async def _write(self) -> None:
        offset, noise = self._chance.randrange(SIZE // SLOT) * SLOT, self._chance.randrange(_NOISES)
        length = self._chance.choice((4096, 4096, 64 << 10, SLOT))
        began = time.time_ns()
        await self.machine.io("vda", f"write -q -s {self._directory}/noise{noise} {offset} {length}")
        self.writes.append(Write(offset, length, noise, began, time.time_ns()))
