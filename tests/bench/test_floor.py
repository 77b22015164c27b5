"""What bounds a step: done for real, so that nothing is left out of its time."""

import os
import subprocess
import sys
from pathlib import Path

import lz4.block
import msgspec
import numpy as np
import pytest

from bench.report.targets import rows_of, shares
from bench.whole.figures import Figure, Result
from bench.whole.floor import FRAME, PIECE, compress, copy, pieces
from bench.whole.step import Step
from bench.whole.tools.floors import NAME
from tests.bench import made

PAGE = 4096


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A hole, more than a piece of data of which half compresses, a hole, a page, and a hole to the end."""
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        file.truncate(16 << 20)
        file.seek(1 << 20)
        for _ in range((PIECE + FRAME + PAGE) // (2 * PAGE)):
            file.write(os.urandom(PAGE) + bytes(PAGE))
        file.write(os.urandom(PAGE))
        file.seek(12 << 20)
        file.write(os.urandom(PAGE))
    return path


def test_pieces_are_all_that_is_no_hole(image: Path) -> None:
    with image.open("rb") as file:
        runs = list(pieces(file.fileno()))
    known = np.frombuffer(image.read_bytes(), dtype=np.uint8).copy()
    assert max(length for _, length in runs) <= PIECE
    assert sum(length for _, length in runs) < len(known) // 2
    for offset, length in runs:
        known[offset : offset + length] = 0
    assert not known.any()


def test_every_frame_of_a_piece_is_compressed(image: Path) -> None:
    data = image.read_bytes()
    with image.open("rb") as file:
        for offset, length in pieces(file.fileno()):
            frames = [data[at : min(at + FRAME, offset + length)] for at in range(offset, offset + length, FRAME)]
            assert compress(file.fileno(), (offset, length)) == sum(len(lz4.block.compress(one, store_size=False)) for one in frames)


def test_what_is_written_is_the_image_with_its_holes(image: Path, tmp_path: Path) -> None:
    to = tmp_path / "copy.raw"
    copy(image, to)
    assert to.read_bytes() == image.read_bytes()
    assert to.stat().st_blocks <= image.stat().st_blocks


def test_an_image_of_an_odd_size_is_written_too(tmp_path: Path) -> None:
    image, to = tmp_path / "odd.raw", tmp_path / "copy.raw"
    image.write_bytes(os.urandom(PIECE + 1234))
    copy(image, to)
    assert to.read_bytes() == image.read_bytes()


def test_both_are_programs(image: Path, tmp_path: Path) -> None:
    for words in (["lz4", image], ["disk", image, tmp_path / "copy.raw"]):
        subprocess.run([sys.executable, "-m", "bench.whole.floor", *words], check=True)
    assert subprocess.run([sys.executable, "-m", "bench.whole.floor"], check=False, capture_output=True).returncode == 1


def test_a_step_says_how_much_of_its_time_its_floor_takes() -> None:
    floor = Result(NAME, "LZ4 alone", Step.INITIAL, (Figure(0.5, 1, 0, 0, 0, 0, 0),))
    whole = made.whole(1, 3)
    assert list(shares((*whole.results, floor), Step.INITIAL)) == [("LZ4 alone", 0.5)]
    assert not list(shares((*whole.results, floor), Step.RESTORE))
    run = msgspec.structs.replace(made.results(), whole=msgspec.structs.replace(whole, results=(*whole.results, floor)))
    (row,) = (row for row in rows_of(run) if row.what.startswith("initial"))
    assert row.measured.endswith("; LZ4 alone takes 50% of it")
