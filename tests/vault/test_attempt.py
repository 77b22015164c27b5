from pathlib import Path

import pytest

from understudy.errors import StateFailed
from understudy.vault.log.attempt import Attempt, drop, load, save


def test_kept_until_dropped(tmp_path: Path) -> None:
    path = tmp_path / "machines" / "x" / "attempt"
    assert load(path) is None
    drop(path)
    for attempt in (Attempt(1, b"one"), Attempt(2, bytes(60000))):
        save(path, attempt)
        assert load(path) == attempt
    drop(path)
    assert load(path) is None


def test_every_flipped_byte_and_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "attempt"
    save(path, Attempt(7, b"a record"))
    data = path.read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        for stored in (bytes(damaged), data[:position]):
            path.write_bytes(stored)
            with pytest.raises(StateFailed):
                load(path)


def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateFailed):
        save(tmp_path / "file" / "attempt", Attempt(1, b"x"))
