"""Signature files against a plain dict of blocks; headers that prove themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy import extents as ext
from understudy.model import NO_EXTENTS, Extents, Signatures
from understudy.native import blockhash
from understudy.replication.sigfile import HEADER_LIMIT, HEADER_SIZE, Header, SignatureFile

SECRET = np.arange(192, dtype=np.uint8)


def header(point: bytes = b"p" * 16, blocks: int = 1000) -> Header:
    return Header(vault=b"v" * 16, machine=b"m" * 16, disk=b"d" * 16, key=b"k" * 16, point=point, size=blocks * 4096 - 512)


def some(rng: np.random.Generator, blocks: int) -> tuple[Extents, Signatures]:
    chosen = np.sort(rng.choice(blocks, size=blocks // 3, replace=False))
    rows = ext.union(np.stack([chosen, np.ones_like(chosen)], axis=1))
    rows = rows[rng.permutation(len(rows))]
    return rows, rng.integers(1, 255, (ext.total(rows), 16), dtype=np.uint8)


def build(path: Path, head: Header, *parts: tuple[Extents, Signatures]) -> SignatureFile:
    file = SignatureFile.begin(path, head)
    for extents, signatures in parts:
        file.write(extents, signatures)
    file.finish()
    return file


def test_what_is_written_is_read_and_the_rest_is_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    model = np.zeros((1000, 16), dtype=np.uint8)
    file = build(tmp_path / "sig", header())
    for _ in range(5):
        extents, signatures = some(rng, 1000)
        model[ext.block_numbers(extents)] = signatures
        file.advance(header(), lambda f, e=extents, s=signatures: f.write(e, s))
    assert np.array_equal(file.read(ext.whole(1000)), model)
    picked = np.array([[3, 4], [700, 250], [999, 3]], dtype=np.int64)
    expected = np.concatenate([model, np.zeros((2, 16), dtype=np.uint8)])[ext.block_numbers(picked)]
    assert np.array_equal(file.read(picked), expected)
    file.close()


def test_populated_covers_every_signature_and_skips_holes(tmp_path: Path) -> None:
    blocks = 1 << 20
    rows = np.array([[5, 3], [700_000, 1]], dtype=np.int64)
    file = build(tmp_path / "sig", header(blocks=blocks), (rows, np.full((4, 16), 7, dtype=np.uint8)))
    found = file.populated()
    covered = set(ext.block_numbers(found).tolist())
    assert {5, 6, 7, 700_000} <= covered
    assert len(covered) < 4096
    file.close()


def test_outside_names_exactly_what_is_not_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    blocks = 300_000
    file = build(tmp_path / "sig", header(blocks=blocks))
    model = np.zeros((blocks, 16), dtype=np.uint8)
    assert len(file.outside(ext.whole(blocks))) == len(file.outside(NO_EXTENTS)) == 0
    for lengths in (1, 5, 3000):
        first = np.sort(rng.choice(blocks - 3000, 200, replace=False))
        rows = ext.union(np.stack([first, rng.integers(1, lengths + 1, 200)], axis=1))
        signatures = rng.integers(0, 2, (ext.total(rows), 16), dtype=np.uint8) * rng.integers(0, 2, (ext.total(rows), 1), dtype=np.uint8)
        model[ext.block_numbers(rows)] = signatures
        file.advance(header(blocks=blocks), lambda f, e=rows, s=signatures: f.write(e, s))
        inside = ext.union(np.stack([rng.choice(blocks, 150, replace=False), rng.integers(1, 2000, 150)], axis=1))
        for extents in (NO_EXTENTS, inside, ext.whole(blocks)):
            wanted = ext.difference(ext.runs(model.any(axis=1), ext.whole(blocks)), extents)
            assert np.array_equal(file.outside(extents), wanted)
    file.close()


def test_digest_beyond_is_the_digest_of_what_a_shrink_cuts_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    extents, signatures = some(rng, 1000)
    file = build(tmp_path / "sig", header(), (extents, signatures))
    everything = file.read(ext.whole(1000))
    assert file.digest_beyond(400, SECRET) == blockhash.digest(np.array([[400, 600]]), everything[400:], SECRET)
    assert file.digest_beyond(1000, SECRET) == 0
    file.close()


def test_scattered_signatures_are_summed_up_in_few_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 000 places, each a page of the file, every one was a unit and a call of its own."""
    places = np.arange(0, 1 << 20, 2048)
    extents = np.stack([places, np.ones_like(places)], axis=1)
    signatures = np.random.default_rng(3).integers(0, 256, (len(places), 16), dtype=np.uint8)
    file = build(tmp_path / "sig", header(blocks=1 << 20), (extents, signatures))
    calls, real = 0, blockhash.digest

    def counting(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        return real(*arguments)

    monkeypatch.setattr(blockhash, "digest", counting)
    assert file.digest_beyond(0, SECRET) == real(extents, signatures, SECRET)
    assert calls <= 4
    file.close()


def test_a_crash_in_the_middle_of_advance_leaves_the_old_point_and_can_be_repeated(tmp_path: Path) -> None:
    extents, signatures = some(np.random.default_rng(3), 1000)
    file = build(tmp_path / "sig", header())

    def half(f: SignatureFile) -> None:
        f.write(extents[:1], signatures[: extents[0, 1]])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file.advance(header(b"q" * 16), half)
    file.close()
    again = SignatureFile.open(tmp_path / "sig")
    assert again is not None
    assert again.header.point == b"p" * 16
    again.advance(header(b"q" * 16), lambda f: f.write(extents, signatures))
    again.close()
    last = SignatureFile.open(tmp_path / "sig")
    assert last is not None
    assert last.header == header(b"q" * 16)
    assert np.array_equal(last.read(extents), signatures)
    last.close()


def test_grow_and_shrink(tmp_path: Path) -> None:
    rows = np.array([[0, 1000]], dtype=np.int64)
    file = build(tmp_path / "sig", header(), (rows, np.full((1000, 16), 9, dtype=np.uint8)))
    file.advance(header(blocks=10), lambda f: None)
    file.advance(header(blocks=1000), lambda f: None)
    read = file.read(rows)
    assert (read[:10] == 9).all()
    assert not read[10:].any()
    file.close()


@pytest.mark.parametrize("spoil", range(0, HEADER_LIMIT - 400, 7))
def test_a_header_that_does_not_prove_itself_is_no_header(tmp_path: Path, spoil: int) -> None:
    build(tmp_path / "sig", header()).close()
    raw = bytearray((tmp_path / "sig").read_bytes())
    raw[spoil] ^= 1
    (tmp_path / "sig").write_bytes(raw)
    assert SignatureFile.open(tmp_path / "sig") is None


def test_a_file_cut_short_or_absent_or_unfinished_is_none(tmp_path: Path) -> None:
    assert SignatureFile.open(tmp_path / "sig") is None
    SignatureFile.begin(tmp_path / "sig", header()).close()
    assert SignatureFile.open(tmp_path / "sig") is None
    build(tmp_path / "sig", header()).close()
    with (tmp_path / "sig").open("r+b") as file:
        file.truncate(HEADER_SIZE + 16)
    assert SignatureFile.open(tmp_path / "sig") is None
