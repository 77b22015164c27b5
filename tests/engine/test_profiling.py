"""What a watch counts, in tables."""

import pytest

from understudy.engine.profiling import Profile, checked_profile, counted, granularity_of, ladder, percentile
from understudy.errors import InvalidRequest

GIB = 1 << 30


@pytest.mark.parametrize(
    ("every", "seconds", "steps"),
    [
        (10.0, 600.0, (1, 6, 30)),
        (1.0, 600.0, (1, 10, 60, 300)),
        (1.0, 3600.0, (1, 10, 60, 300, 900, 3600)),
        (7.0, 600.0, (1, 9, 43)),
        (0.2, 0.2, (1,)),
        (0.2, 2.0, (1, 5)),
        (3600.0, 7200.0, (1,)),
        (9.0, 20.0, (1,)),
    ],
)
def test_a_watch_counts_the_spans_that_it_lasts_for(every, seconds, steps):
    assert ladder(every, seconds) == steps


@pytest.mark.parametrize(
    ("sizes", "spans", "granularity"),
    [
        ([], 4, 4096),
        ([100 * GIB], 4, 4096),
        ([512 * GIB], 4, 4096),
        ([1024 * GIB], 4, 8192),
        ([1024 * GIB, 1024 * GIB], 4, 16384),
        ([8192 * GIB], 6, 65536),
        ([1 << 50], 6, 65536),
    ],
)
def test_records_stay_small(sizes, spans, granularity):
    assert granularity_of(sizes, spans, 64 << 20, 4096, 65536) == granularity


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([5.0], 0.95, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        (list(range(1, 101)), 0.95, 95),
        (list(range(1, 21)), 0.95, 19),
        ([1.0, 9.0], 0.0, 1.0),
    ],
)
def test_percentiles(values, share, found):
    assert percentile(values, share) == found


def test_spans_are_summed_up():
    spans = counted(10.0, [0.0, 40.0, 20.0, 0.0])
    assert (spans.count, spans.mean_bytes, spans.p95_bytes, spans.peak_bytes, spans.idle, spans.at_most) == (
        4,
        15.0,
        40.0,
        40.0,
        0.5,
        False,
    )


@pytest.mark.parametrize(("seconds", "every"), [(5.0, 10.0), (10.0, 0.1), (10.0, 0.0), (40 * 86400.0, 10.0), (float("nan"), 1.0)])
def test_what_cannot_be_counted_is_refused(seconds, every):
    with pytest.raises(InvalidRequest):
        checked_profile(Profile(machine="web", seconds=seconds, every=every))
