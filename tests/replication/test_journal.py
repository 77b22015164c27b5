"""The signature journal: whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from understudy import extents as ext
from understudy.native.layout import FRAME, KIND_LZ4, KIND_ZERO
from understudy.replication.journal import Head, Journal, JournalDisk, JournalWriter

A, B = b"a" * 16, b"b" * 16
HEAD = Head(point=b"q" * 16, parent=b"p" * 16, disks=(JournalDisk(id=A, size=1 << 30), JournalDisk(id=B, size=4096)))


def rows(*values: tuple[int, int, int, int]) -> np.ndarray:
    frames = np.zeros(len(values), dtype=FRAME)
    for row, (disk, first, blocks, kind) in zip(frames, values, strict=True):
        row["disk"], row["first"], row["blocks"], row["kind"] = disk, first, blocks, kind
    return frames


def written(path: Path) -> Path:
    writer = JournalWriter(path, HEAD)
    writer.add(rows((0, 5, 2, KIND_LZ4), (1, 0, 1, KIND_LZ4), (0, 9, 1, KIND_LZ4)), np.arange(64, dtype=np.uint8).reshape(4, 16), (A, B))
    writer.add(rows((0, 100, 70_000, KIND_ZERO)), np.zeros((0, 16), dtype=np.uint8), (A, B))
    writer.close()
    return path


def test_parts_give_back_every_block_and_signature(tmp_path: Path) -> None:
    journal = Journal.open(written(tmp_path / "j"))
    assert journal is not None
    assert journal.head == HEAD
    seen: dict[tuple[bytes, int], bytes] = {}
    for part in journal.parts():
        assert ext.total(part.extents) == len(part.signatures)
        for block, signature in zip(ext.block_numbers(part.extents).tolist(), part.signatures, strict=True):
            seen[part.disk, block] = signature.tobytes()
    pieces = np.arange(64, dtype=np.uint8).reshape(4, 16)
    expected = {(A, 5): pieces[0], (A, 6): pieces[1], (B, 0): pieces[2], (A, 9): pieces[3]}
    assert {key: seen.pop(key) for key in expected} == {key: value.tobytes() for key, value in expected.items()}
    assert set(seen.values()) == {bytes(16)}
    assert sorted(seen) == [(A, block) for block in range(100, 70_100)]


def test_an_unfinished_journal_is_none(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    writer.add(rows((0, 5, 1, KIND_LZ4)), np.ones((1, 16), dtype=np.uint8), (A, B))
    assert Journal.open(tmp_path / "j") is None
    writer.abandon()
    assert not (tmp_path / "j").exists()
    assert Journal.open(tmp_path / "j") is None


@pytest.mark.parametrize("cut", range(1, 200, 13))
def test_a_journal_cut_or_altered_is_none(tmp_path: Path, cut: int) -> None:
    whole = written(tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(whole[:-cut])
    assert Journal.open(tmp_path / "j") is None
    bad = bytearray(whole)
    bad[-cut] ^= 0x20
    (tmp_path / "j").write_bytes(bad)
    assert Journal.open(tmp_path / "j") is None
