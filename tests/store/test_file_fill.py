"""What an object's file holds, whichever way it was written."""

import fcntl
import os
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from understudy.model import BytesLike
from understudy.pages import PAGE
from understudy.store.file_fill import DIRECT, fill

LARGE = 3 * DIRECT - 1


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def at_a_page(data: bytes, beyond: int = 0) -> np.ndarray:
    """In memory that begins so many bytes after a page does."""
    memory = np.empty(len(data) + 2 * PAGE, dtype=np.uint8)
    start = -memory.ctypes.data % PAGE + beyond
    memory[start : start + len(data)] = np.frombuffer(data, dtype=np.uint8)
    return memory[start : start + len(data)]


def filled(path: Path, buffers: Sequence[BytesLike], before: bytes = b"") -> bytes:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(fd, before)
        fill(fd, buffers)
        assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT
    finally:
        os.close(fd)
    return path.read_bytes()


@pytest.mark.parametrize("beyond", [0, 160])
@pytest.mark.parametrize("size", [0, 1, PAGE, DIRECT - 1, DIRECT, DIRECT + 1, DIRECT + PAGE, LARGE])
def test_all_of_it_is_there_whatever_its_size_and_place(tmp_path: Path, size: int, beyond: int) -> None:
    data = data_of(size)
    assert filled(tmp_path / "file", [at_a_page(data, beyond), b"footer", b"", b"trailer"]) == data + b"footertrailer"


def test_parts_of_any_size_are_joined(tmp_path: Path) -> None:
    data, cuts = data_of(LARGE), sorted(random.Random(1).choices(range(LARGE), k=2000))
    parts: list[BytesLike] = [data[start:end] for start, end in pairwise([0, *cuts, LARGE])]
    assert filled(tmp_path / "file", [at_a_page(data), *parts]) == 2 * data


def test_a_file_that_cannot_be_written_past_the_cache_has_it_all_too(tmp_path: Path) -> None:
    """File systems want writes that begin where a page does, and say no to others, as those without O_DIRECT do to all."""
    assert filled(tmp_path / "file", [at_a_page(data_of(LARGE))], before=b"within a page") == b"within a page" + data_of(LARGE)
