"""The file of an initial replication under way: what was durable is read again, whatever is wrong after it."""

import os
from pathlib import Path

import pytest

from understudy.replication.intent import IntentFile, IntentHead, Slice
from understudy.vault.kinds import PackRef, PointDisk, PointStats

HEAD = IntentHead(vault=b"v" * 16, machine=b"m" * 16, key=b"k" * 16, id=b"i" * 16)


def slice_of(number: int, packs: int = 2, *, elsewhere: bool = False) -> Slice:
    return Slice(
        id=bytes([number]) * 16,
        track=b"t" * 16,
        disks=(PointDisk(id=b"d" * 16, name="vda", size=1 << 40, sector=512, digest=bytes(16)),),
        upto=(number * 100,),
        packs=tuple(PackRef(id=bytes([number, nth]) * 8, size=5, hash=bytes(32)) for nth in range(packs)),
        elsewhere=elsewhere,
        stats=PointStats(scanned=10, changed=5, stored=7),
    )


def opened(path: Path) -> IntentFile | None:
    return IntentFile.open(path, HEAD.vault, HEAD.machine, HEAD.key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intent" / "slices"


def test_what_was_appended_is_read_again(path: Path) -> None:
    file = IntentFile.create(path, HEAD)
    assert file.tip is None
    for number in (1, 2, 3):
        file.append(slice_of(number, elsewhere=number == 2))
    file.close()
    again = opened(path)
    assert again is not None
    assert again.head == HEAD
    assert again.tip == slice_of(3)
    assert again.packs == [pack for number in (1, 2, 3) for pack in slice_of(number).packs]
    assert again.stats == PointStats(scanned=30, changed=15, stored=21)
    assert again.elsewhere
    again.discard()
    assert opened(path) is None


def test_every_truncation_leaves_whole_entries(path: Path) -> None:
    file = IntentFile.create(path, HEAD)
    ends = [path.stat().st_size]
    for number in (1, 2):
        file.append(slice_of(number))
        ends.append(path.stat().st_size)
    file.close()
    data = path.read_bytes()
    for length in range(len(data) + 1):
        path.write_bytes(data[:length] + os.urandom(length % 7))
        again = opened(path)
        whole = sum(end <= length for end in ends)
        assert (again is None) is (whole == 0)
        if again is not None:
            assert len(again.packs) == 2 * (whole - 1)
            again.append(slice_of(3))
            again.close()
            last = opened(path)
            assert last is not None
            assert (last.tip, len(last.packs)) == (slice_of(3), 2 * whole)
            last.close()


@pytest.mark.parametrize("field", ["vault", "machine", "key"])
def test_one_of_something_else_is_none(path: Path, field: str) -> None:
    IntentFile.create(path, HEAD).close()
    owner = {"vault": HEAD.vault, "machine": HEAD.machine, "key": HEAD.key}
    assert IntentFile.open(path, **owner | {field: b"x" * 16}) is None


def test_an_append_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = IntentFile.create(path, HEAD)
    file.append(slice_of(1))
    size = path.stat().st_size

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="space"):
            file.append(slice_of(2))
    assert path.stat().st_size == size
    assert file.tip == slice_of(1)
    file.append(slice_of(3))
    file.close()
    again = opened(path)
    assert again is not None
    assert len(again.packs) == 4
    again.close()
