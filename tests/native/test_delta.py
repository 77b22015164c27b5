"""delta against the signatures' reference and numpy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import reference, samples
from understudy.native import delta
from understudy.native.layout import BLOCK_SIZE

BOTH = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BOTH
@given(blocks=st.integers(0, 20), seed=st.integers(0, 2**32), density=st.sampled_from([0.0, 0.3, 1.0]))
def test_differs(provider: str, blocks: int, seed: int, density: float) -> None:
    data = samples.mixed(blocks, seed)
    old = reference.signatures(data, samples.SECRET)
    rng = np.random.default_rng(seed)
    other = rng.random(blocks) < density
    old[other, rng.integers(0, 16)] ^= np.uint8(1 << rng.integers(0, 8))
    out = np.full(blocks, 7, np.uint8)
    assert delta.differs(samples.unaligned(data), samples.unaligned(old), samples.SECRET, out) == other.sum()
    assert np.array_equal(out, other)


def test_a_zero_block_differs_from_a_signature_and_data_from_none() -> None:
    out = np.empty(2, np.uint8)
    data = np.concatenate([samples.zeros(1), samples.random(1)])
    assert delta.differs(data, np.ones((2, 16), np.uint8), samples.SECRET, out) == 2
    assert delta.differs(data, np.zeros((2, 16), np.uint8), samples.SECRET, out) == 1
    assert out.tolist() == [0, 1]


@BOTH
@given(blocks=st.integers(0, 20), seed=st.integers(0, 2**32), density=st.sampled_from([0.0, 0.3, 1.0]))
def test_differs_from(provider: str, blocks: int, seed: int, density: float) -> None:
    data = samples.mixed(blocks, seed)
    rng = np.random.default_rng(seed)
    other = data.copy().reshape(blocks, BLOCK_SIZE)
    for index in np.flatnonzero(rng.random(blocks) < density):
        other[index, rng.choice([0, BLOCK_SIZE - 1, rng.integers(0, BLOCK_SIZE)])] ^= np.uint8(1 << rng.integers(0, 8))
    wanted = (other != data.reshape(blocks, BLOCK_SIZE)).any(axis=1)
    out = np.full(blocks, 7, np.uint8)
    assert delta.differs_from(samples.unaligned(data), samples.unaligned(other.reshape(-1), 3), out) == wanted.sum()
    assert np.array_equal(out, wanted)


def test_wrong_sizes_are_refused() -> None:
    data, old, out = samples.random(2), np.zeros((2, 16), np.uint8), np.zeros(2, np.uint8)
    with pytest.raises(ValueError, match="whole blocks"):
        delta.differs(data[1:], old, samples.SECRET, out)
    with pytest.raises(ValueError, match="secret"):
        delta.differs(data, old, samples.SECRET[:99], out)
    with pytest.raises(ValueError, match="signatures of 2"):
        delta.differs(data, old[:1], samples.SECRET, out)
    with pytest.raises(ValueError, match="byte for each"):
        delta.differs(data, old, samples.SECRET, out[:1])
    with pytest.raises(ValueError, match="whole blocks"):
        delta.differs_from(data[1:], data[1:], out)
    with pytest.raises(ValueError, match="other buffer"):
        delta.differs_from(data, data[:BLOCK_SIZE], out)
    with pytest.raises(ValueError, match="byte for each"):
        delta.differs_from(data, data, np.zeros(3, np.uint8))
