"""diskmap against a plain model: one row of numpy columns for every block of the disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.native import diskmap
from understudy.native.layout import KIND_LZ4, KIND_RAW, KIND_ZERO, PIECE

BLOCKS = 400
NOTHING = np.array([-1, 0, 0, 0], np.int64)


@st.composite
def maps(draw: st.DrawFn, packs: int = 3) -> np.ndarray:
    """Random valid rows: frames of up to 64 blocks seen whole or in part, and runs of zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    edges = np.unique(rng.integers(0, BLOCKS, draw(st.integers(0, 60))))
    rows = np.zeros(max(len(edges) - 1, 0), PIECE)
    for row, first, end in zip(rows, edges, edges[1:], strict=False):
        row["first"], row["kind"] = first, rng.choice([KIND_ZERO, KIND_LZ4, KIND_RAW])
        row["blocks"] = rng.integers(1, end - first + 1)
        row["pack"], row["number"] = rng.integers(0, packs), rng.integers(0, 4)
        if row["kind"] != KIND_ZERO:
            row["blocks"] = min(row["blocks"], 64)
            row["skip"] = rng.integers(0, 65 - row["blocks"])
            row["frame_blocks"] = rng.integers(row["blocks"] + row["skip"], 65)
            row["offset"], row["length"] = rng.integers(0, 2**40), rng.integers(1, 2**18)
    return rows[rng.random(len(rows)) < 0.7]


def unaligned(rows: np.ndarray) -> np.ndarray:
    """The same rows at an odd address and read-only."""
    raw = np.frombuffer(b"?" + rows.tobytes(), np.uint8)[1:].view(PIECE)
    assert not raw.flags.writeable
    return raw


def expand(rows: np.ndarray) -> np.ndarray:
    """(BLOCKS, 4): kind (-1: nothing), pack, number and position in the frame of every block."""
    blocks = np.tile(NOTHING, (BLOCKS, 1))
    for row in rows.tolist():
        first, count, _, _, number, pack, _, skip, kind, _ = row
        blocks[first : first + count, 0] = kind
        if kind != KIND_ZERO:
            blocks[first : first + count, 1:3] = pack, number
            blocks[first : first + count, 3] = skip + np.arange(count)
    return blocks


def overlay(lower: np.ndarray, upper: np.ndarray, *, drop_zero: bool = False) -> np.ndarray:
    out = np.empty(diskmap.overlay_bound(len(lower), len(upper)), PIECE)
    return out[: diskmap.overlay(unaligned(lower), unaligned(upper), out, drop_zero)]


@given(maps(), maps(), st.booleans())
def test_overlay(lower: np.ndarray, upper: np.ndarray, drop_zero: bool) -> None:
    want, above = expand(lower), expand(upper)
    want[above[:, 0] >= 0] = above[above[:, 0] >= 0]
    if drop_zero:
        want[want[:, 0] == KIND_ZERO] = NOTHING
    got = overlay(lower, upper, drop_zero=drop_zero)
    assert np.array_equal(expand(got), want)
    # What came out is valid input again, and every row still names its own frame.
    assert np.array_equal(overlay(got, got[:0]), got)
    known = {row[2:7] for row in (*lower.tolist(), *upper.tolist())}
    assert all(row[2:7] in known for row in got.tolist())


@given(maps(), maps(), maps())
def test_overlay_is_associative(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    assert np.array_equal(expand(overlay(overlay(a, b), c)), expand(overlay(a, overlay(b, c))))


@given(maps(), st.integers(0, BLOCKS), st.integers(0, BLOCKS))
def test_cut(rows: np.ndarray, first: int, count: int) -> None:
    out = np.empty(len(rows), PIECE)
    got = out[: diskmap.cut(unaligned(rows), first, count, out)]
    want = expand(rows)
    want[:first] = NOTHING
    want[first + count :] = NOTHING
    assert np.array_equal(expand(got), want)


@given(maps(packs=1), maps(packs=1), st.booleans())
def test_differing(a: np.ndarray, b: np.ndarray, mostly_same: bool) -> None:
    if mostly_same:
        b = overlay(a, b[: len(b) // 4])
    x, y = expand(a), expand(b)
    for side in (x, y):
        side[side[:, 0] <= KIND_ZERO] = NOTHING
        side[side[:, 0] > 0, 0] = 1
    want = (x != y).any(axis=1)
    out = np.full((len(a) + len(b), 2), -1, np.int64)
    n = diskmap.differing(unaligned(a), unaligned(b), out)
    got = np.zeros(BLOCKS, bool)
    for first, count in out[:n].tolist():
        got[first : first + count] = True
    assert np.array_equal(got, want)
    assert (out[: max(n - 1, 0)].sum(axis=1) < out[1:n, 0]).all(), "sorted and merged"


def piece(**fields: int) -> np.ndarray:
    rows = np.zeros(2, PIECE)
    rows["blocks"], rows["kind"], rows["frame_blocks"] = 1, KIND_LZ4, 64
    rows["first"] = 0, 10
    for name, value in fields.items():
        rows[name][1] = value
    return rows


@pytest.mark.parametrize(
    "fields",
    [
        {"blocks": 0},
        {"first": 0},
        {"kind": 3},
        {"kind": 255},
        {"blocks": 65},
        {"skip": 64},
        {"skip": 255, "blocks": 64},
        {"frame_blocks": 0},
        {"frame_blocks": 65},
        {"frame_blocks": 255, "blocks": 200},
        {"blocks": 2**64 - 1},
        {"blocks": 2**64 - 9, "skip": 12},
        {"first": 2**64 - 1},
        {"first": 2**62},
        {"kind": KIND_ZERO, "blocks": 2**63},
        {"kind": KIND_ZERO, "blocks": 0},
    ],
)
def test_hostile_rows_are_named(fields: dict[str, int]) -> None:
    bad, good = piece(**fields), piece()
    out = np.zeros(8, PIECE)
    for call in (
        lambda: diskmap.overlay(bad, good, out, False),
        lambda: diskmap.overlay(good, bad, out, False),
        lambda: diskmap.cut(bad, 0, 5, out),
        lambda: diskmap.differing(bad, good, np.zeros((4, 2), np.int64)),
        lambda: diskmap.differing(good, bad, np.zeros((4, 2), np.int64)),
    ):
        with pytest.raises(ValueError, match="row 1"):
            call()
    assert out.tobytes() == bytes(8 * PIECE.itemsize)


def test_sizes_are_checked_first() -> None:
    rows, none = piece(), np.empty(0, PIECE)
    for call in (
        lambda: diskmap.overlay(rows, rows, np.empty(5, PIECE), False),
        lambda: diskmap.overlay_bound(-1, 0),
        lambda: diskmap.overlay_bound(0, 2**63 - 1),
        lambda: diskmap.cut(rows, 0, 100, np.empty(1, PIECE)),
        lambda: diskmap.cut(rows, -1, 100, rows.copy()),
        lambda: diskmap.cut(rows, 0, -1, rows.copy()),
        lambda: diskmap.cut(rows, 2**62, 1, rows.copy()),
        lambda: diskmap.differing(rows, rows, np.empty((3, 2), np.int64)),
        lambda: diskmap.differing(rows, rows, np.empty((4, 3), np.int64)),
        lambda: diskmap.overlay(rows.view(np.uint8), rows, np.empty(9, PIECE), False),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()
    assert diskmap.overlay(none, none, none, True) == 0
    assert diskmap.cut(none, 0, 5, none) == 0
    assert diskmap.differing(none, none, np.empty((0, 2), np.int64)) == 0


def test_a_zero_row_may_be_as_long_as_any_disk() -> None:
    low, zero = piece(), np.zeros(1, PIECE)
    zero["first"], zero["blocks"] = 10, 2**61
    got = overlay(low, zero)
    assert got["first"].tolist() == [0, 10]
    assert len(overlay(low, zero, drop_zero=True)) == 1
    assert got["blocks"].tolist() == [1, 2**61]


def test_a_million_rows() -> None:
    rng = np.random.default_rng(7)
    lower, upper = np.zeros(1_000_000, PIECE), np.zeros(500_000, PIECE)
    for rows in (lower, upper):
        rows["first"] = np.cumsum(rng.integers(70, 200, len(rows))) if rows is lower else np.cumsum(rng.integers(70, 400, len(rows)))
        rows["blocks"], rows["frame_blocks"], rows["kind"] = 64, 64, KIND_LZ4
        rows["number"] = np.arange(len(rows))
    upper["pack"] = 1
    got = overlay(lower, upper)
    assert (got["first"][1:] >= got["first"][:-1] + got["blocks"][:-1]).all()
    assert np.array_equal(got[got["pack"] == 1], upper)
    extents = np.empty((len(got) + len(lower), 2), np.int64)
    n = diskmap.differing(got, lower, extents)
    assert int(extents[:n, 1].sum()) == int(upper["blocks"].sum())
