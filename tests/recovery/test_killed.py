"""Killed with SIGKILL at random moments and repeated: always the right bytes, and nothing half-made under the final name."""

import asyncio
import multiprocessing
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.memory import expected, finder, history
from tests.recovery.test_materialise import image
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place

SIZE = (12 << 20) + 512
POINTS = history(SIZE, 4)
KILLS = 20
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.recovery.test_killed"])


def restore(path: str, kind: ImageFormat, number: int) -> None:
    """One attempt, in a process of its own."""
    asyncio.run(materialise(POINTS[number], {"vda": Place(Path(path), kind)}, finder(POINTS)))


def attempt(path: Path, kind: ImageFormat, number: int, patience: float | None) -> bool:
    """True if it finished; else it was killed after `patience` seconds."""
    process: BaseProcess = CONTEXT.Process(target=restore, args=(str(path), kind, number))
    process.start()
    process.join(patience)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == 0


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_killed_and_repeated(kind: ImageFormat, tmp_path: Path) -> None:
    luck = random.Random(kind)
    attempt(tmp_path / "measure", kind, 0, None)
    began = time.monotonic()
    attempt(tmp_path / "measured", kind, 0, None)
    usual = time.monotonic() - began
    path = tmp_path / "image"
    number = killed = 0
    while killed < KILLS:
        # Now and then all the time it needs, so that there is something to go on from.
        if attempt(path, kind, number, luck.uniform(0.0, 1.1) * usual if luck.random() < 0.8 else None):
            assert image(kind, path, SIZE) == expected(POINTS[number])
            number = luck.randrange(4)
            if luck.random() < 0.3:
                path.unlink()
        else:
            killed += 1
            if path.exists() and kind == "raw":
                # Whatever it holds, it has the disk's size: a file under its final name was whole once.
                assert path.stat().st_size == SIZE
    attempt(path, kind, number, None)
    assert image(kind, path, SIZE) == expected(POINTS[number])
    assert not (tmp_path / "image.partial").exists()
    assert not servers_of(tmp_path)


def servers_of(directory: Path) -> list[str]:
    """Processes that still serve an image there, given a moment to notice that their master is gone."""
    for _ in range(20):
        lines = [read_line(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        found = [line for line in lines if str(directory) in line and "qemu-nbd" in line]
        if not found:
            break
        time.sleep(0.1)
    return found


def read_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_name_appears_only_with_whole_content(kind: ImageFormat, tmp_path: Path) -> None:
    luck = random.Random(7)
    for turn in range(8):
        path = tmp_path / f"image{turn}"
        attempt(path, kind, 0, luck.uniform(0.0, 0.6))
        if path.exists():
            assert np.array_equal(np.frombuffer(image(kind, path, SIZE), np.uint8), np.frombuffer(expected(POINTS[0]), np.uint8))
