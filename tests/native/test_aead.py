"""aead against nacl, and against the suites' published vectors."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import reference, samples
from understudy.native import aead, capi
from understudy.native.layout import SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

BOTH = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SUITES = [SUITE_AEGIS256, SUITE_XCHACHA20POLY1305]


def run(
    function: str, suite: int, numbers: np.ndarray, data: np.ndarray, lengths: np.ndarray, extra: np.ndarray, **changes: object
) -> np.ndarray:
    sign = 1 if function == "seal" else -1
    out = changes.get("out", np.full(max(len(data) + sign * len(lengths) * aead.overhead(suite), 0), 0xBB, np.uint8))
    written = getattr(aead, function)(suite, changes.get("key", samples.KEY), numbers, data, lengths, extra, out)
    return out[:written]


def pieces(seed: int, count: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = rng.choice([0, 1, 15, 16, 17, 4096, 5000], count).astype(np.int64)
    numbers = rng.integers(0, 2**64, count, dtype=np.uint64)
    data = rng.integers(0, 256, int(lengths.sum()), dtype=np.uint8)
    return numbers, data, lengths, rng.integers(0, 256, (count, width), dtype=np.uint8)


@BOTH
@given(seed=st.integers(0, 2**32), count=st.integers(0, 6), width=st.sampled_from([0, 1, 45]), shift=st.integers(0, 15))
def test_seal_and_open(provider: str, seed: int, count: int, width: int, shift: int) -> None:
    numbers, data, lengths, extra = pieces(seed, count, width)
    for suite in capi.suites():
        sealed = run("seal", suite, numbers, samples.unaligned(data, shift), lengths, samples.unaligned(extra))
        parts = np.split(data, np.cumsum(lengths)[:-1]) if count else []
        wanted = [
            reference.seal(suite, samples.KEY.tobytes(), int(number), part.tobytes(), row.tobytes())
            for number, part, row in zip(numbers, parts, extra, strict=True)
        ]
        assert sealed.tobytes() == b"".join(wanted)
        opened = run("open", suite, numbers, samples.unaligned(sealed, shift), lengths + aead.overhead(suite), extra)
        assert np.array_equal(opened, data)


@pytest.mark.parametrize("suite", SUITES)
def test_whatever_is_altered_is_named_and_nothing_is_left(suite: int) -> None:
    numbers, data, lengths, extra = pieces(5, 5, 45)
    sealed = run("seal", suite, numbers, data, lengths, extra)
    sizes = lengths + aead.overhead(suite)
    ends = np.cumsum(sizes)

    def refused(index: int, **changes: np.ndarray) -> None:
        given = {"numbers": numbers, "data": sealed, "lengths": sizes, "extra": extra, "key": samples.KEY} | changes
        out = np.full(len(data) + 64, 0xBB, np.uint8)
        with pytest.raises(aead.SealError, match=f"frame {index} ") as caught:
            run(
                "open",
                suite,
                given["numbers"],
                given["data"],
                given["lengths"],
                given["extra"],
                out=out,
                key=changes.get("key", samples.KEY),
            )
        assert caught.value.index == index
        assert caught.value.reason in str(caught.value)
        touched = int(np.maximum(given["lengths"] - aead.overhead(suite), 0)[: index + 1].sum())
        assert not out[:touched].any()
        assert (out[touched:] == 0xBB).all()

    for index in range(5):
        for place in (int(ends[index]) - 1, int(ends[index] - sizes[index])):
            altered = sealed.copy()
            altered[place] ^= 0x10
            refused(index, data=altered)
        for name, original in (("numbers", numbers), ("extra", extra)):
            other = original.copy()
            other[index, ...] ^= np.array(1, other.dtype)
            refused(index, **{name: other})
    refused(0, key=samples.KEY ^ 1)
    refused(0, numbers=numbers[::-1].copy())
    shifted = sizes.copy()
    shifted[0] -= 1
    shifted[1] += 1
    refused(0, lengths=shifted)
    short = np.concatenate([[aead.overhead(suite) - 1], sizes[1:], [0]])
    short[-1] = len(sealed) - short.sum()
    refused(0, lengths=short[:-1] + np.array([0, 0, 0, 0, short[-1]]))


def test_a_nonce_is_the_number_little_endian() -> None:
    """The CFRG draft's first AEGIS-256 vector, whose nonce is zero after its third byte."""
    key = np.frombuffer(bytes.fromhex("1001" + "00" * 30), np.uint8)
    number = np.array([int.from_bytes(bytes.fromhex("100002"), "little")], np.uint64)
    sealed = run("seal", SUITE_AEGIS256, number, np.zeros(16, np.uint8), np.array([16]), np.empty((1, 0), np.uint8), key=key)
    assert sealed.tobytes().hex() == "754fc3d8c973246dcc6d741412a4b236" + "1181a1d18091082bf0266f66297d167d2e68b845f61a3b0527d31fc7b7b89f13"


def test_overhead(provider: str) -> None:
    assert [aead.overhead(suite) for suite in sorted(capi.suites())] == [16, 32][: len(capi.suites())]
    with pytest.raises(ValueError, match="suite 9"):
        aead.overhead(9)


def test_wrong_sizes_are_refused() -> None:
    numbers, data, lengths, extra = pieces(5, 3, 4)
    good = {"numbers": numbers, "data": data, "lengths": lengths, "extra": extra}
    for changes, message in (
        ({"numbers": numbers[:2]}, "numbers"),
        ({"extra": extra[:2]}, "associated"),
        ({"data": data[:-1]}, "piece|pieces"),
        ({"lengths": lengths - np.array([1, 0, 0])}, "piece|pieces"),
        ({"lengths": np.array([-1, 0, 0])}, "piece 0"),
        ({"lengths": np.array([2**62, 2**62, 2**62])}, "piece 0"),
        ({"key": samples.KEY[:31]}, "key"),
        ({"out": np.zeros(5, np.uint8)}, "out needs"),
    ):
        for function in ("seal", "open"):
            given = good | changes
            with pytest.raises(ValueError, match=message):
                run(
                    function,
                    SUITE_AEGIS256,
                    *(given.pop(name) for name in ("numbers", "data", "lengths", "extra")),
                    **({"out": np.zeros(99999, np.uint8)} | given),
                )
