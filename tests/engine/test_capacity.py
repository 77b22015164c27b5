"""What follows from what was measured, in tables."""

import pytest

from understudy.engine.capacity import (
    Bench,
    Encoding,
    Latency,
    Measured,
    Reading,
    Storing,
    Sustained,
    capacity_of,
    checked_bench,
    latency_of,
    sustained,
)
from understudy.errors import InvalidRequest

MB = 1e6


def latency(seconds: float) -> Latency:
    return Latency(count=9, median_seconds=seconds, p95_seconds=2 * seconds)


def measured(read: float, sealed: float, put: float | None, ratio: float = 0.5, *, vault: bool = True) -> Measured:
    storing = Storing(url="u", create=latency(0.02), get=latency(0.01), at_once=4, put_rate=put, get_rate=put)
    return Measured(
        reading=Reading(path="d", in_sequence=9e9, scattered=read, direct=True),
        encoding=Encoding(unchanged_1=9e9, unchanged_2=9e9, changed_1=sealed / 2, changed_2=sealed, ratio=ratio, sample="s"),
        sync=latency(0.001),
        storing=storing if vault else None,
    )


@pytest.mark.parametrize(
    ("read", "sealed", "put", "ratio", "bottleneck", "rate"),
    [
        (100, 900, 900, 0.5, "reading the disk", 100),
        (900, 100, 900, 0.5, "compressing and sealing", 100),
        (900, 900, 100, 0.5, "storing in the vault", 200),
        (900, 800, 500, 0.5, "compressing and sealing", 800),
        (900, 800, 1, 0.0, "compressing and sealing", 800),
        (900, 800, None, 0.5, "compressing and sealing", 800),
    ],
)
def test_the_slowest_stage_bounds_it(read, sealed, put, ratio, bottleneck, rate):
    found = capacity_of(measured(read * MB, sealed * MB, put and put * MB, ratio))
    assert (found.bottleneck, found.stages[found.bottleneck]) == (bottleneck, rate * MB)
    assert found.cycle_seconds == pytest.approx(6 * 0.001 + 2 * 0.02 + 4 * 0.01)
    assert [one.seconds for one in found.sustained] == [1, 10, 60, 300]


def test_without_a_vault():
    found = capacity_of(measured(100 * MB, 900 * MB, None, vault=False))
    assert found.stages.keys() == {"reading the disk", "compressing and sealing"}
    assert found.cycle_seconds == pytest.approx(0.006)


@pytest.mark.parametrize(
    ("interval", "alone", "found"),
    [
        (10.0, 0.0, (100.0, 20.0, 11.0)),
        (10.0, 1.0, (90.0, 20.0, 11.9)),
        (1.0, 0.5, (50.0, 2.0, 1.55)),
        (1.0, 1.0, (None, None, None)),
        (1.0, 3.0, (None, None, None)),
    ],
)
def test_what_is_sustained(interval, alone, found):
    churn, rpo, calm = found
    assert sustained(interval, 100.0, alone) == Sustained(seconds=interval, churn=churn, rpo_seconds=rpo, calm_rpo_seconds=calm)


def test_latencies():
    assert latency_of([float(number) for number in range(100, 0, -1)]) == Latency(count=100, median_seconds=50.0, p95_seconds=95.0)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3601.0, float("nan")])
def test_what_cannot_be_measured_is_refused(seconds):
    with pytest.raises(InvalidRequest):
        checked_bench(Bench(state_dir="/", seconds=seconds))
