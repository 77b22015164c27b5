"""A bucket lets through what its rate says, on the average, and no burst after a pause."""

from understudy.scheduler.bucket import BURST, Bucket


def sent(bucket: Bucket, rate: int, size: int, begin: float, seconds: float) -> float:
    """Bytes in these seconds, by a sender that never waits longer than it must."""
    now, total = begin, 0
    while (now := now + bucket.wait(now)) < begin + seconds:
        bucket.take(size, rate, now)
        total += size
    return total


def test_the_rate_is_held_whatever_the_objects_sizes() -> None:
    for size in (1000, 16 << 20):
        rate = 10 << 20
        total = sent(Bucket(0.0), rate, size, 0.0, 100.0)
        assert rate * 100 - size <= total <= rate * (100 + BURST) + size


def test_a_pause_saves_up_only_a_little() -> None:
    bucket = Bucket(0.0)
    assert sent(bucket, 1000, 10, 3600.0, 1.0) <= 1000 * (1 + BURST) + 10


def test_what_is_owed_is_owed_at_the_new_rate() -> None:
    bucket = Bucket(0.0)
    bucket.take(1000, 100, 0.0)
    owed = bucket.wait(0.0)
    bucket.slow_down(100, 50, 0.0)
    assert bucket.wait(0.0) == owed * 2
