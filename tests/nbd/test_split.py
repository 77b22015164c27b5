import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.nbd.handshake import BlockSizes
from understudy.nbd.split import CHUNK, aligned, parts, request_size, widened

UNITS = st.sampled_from([1, 512, 4096, 65536])


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 20), UNITS, st.integers(0, 99999))
def test_ranges_are_cut_at_boundaries(offset, length, unit, rest):
    size = offset + length + rest
    head, middle, tail = aligned(offset, length, unit, size)
    assert head.offset == offset
    assert head.offset + head.length == middle.offset
    assert middle.offset + middle.length == tail.offset
    assert tail.offset + tail.length == offset + length
    assert min(head.length, middle.length, tail.length) >= 0
    assert not middle.length or middle.offset % unit == 0
    assert (middle.offset + middle.length) % unit == 0 or not middle.length or middle.offset + middle.length == size
    assert head.length < unit
    assert tail.length < unit
    wide = widened(offset, length, unit, size)
    assert wide.offset % unit == 0
    assert wide.offset <= offset
    assert wide.offset + wide.length >= offset + length
    assert (wide.offset + wide.length) % unit == 0 or wide.offset + wide.length == size


@given(st.integers(0, 1 << 60), st.integers(0, 1000), st.integers(1, 300))
def test_parts_cover_without_overlap(offset, length, most):
    position = offset
    for part in parts(offset, length, most):
        assert part.offset == position
        assert 0 < part.length <= most
        position += part.length
    assert position == offset + length


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (BlockSizes(), CHUNK),
        (BlockSizes(512, 65536, 65536), 65536),
        (BlockSizes(1, 4 << 20, 32 << 20), 4 << 20),
        (BlockSizes(4096, 4096, 4096), 4096),
        (BlockSizes(65536, 3 * 65536, 1 << 20), 6 * 65536),
    ],
)
def test_request_size(sizes, expected):
    assert request_size(sizes) == expected
