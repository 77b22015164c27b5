"""What a host, a disk and a vault can do: what was measured, and what follows from it. The arithmetic is pure."""

from collections.abc import Mapping

from understudy.engine.profiling import percentile
from understudy.engine.values import Value
from understudy.errors import InvalidRequest

INTERVALS = (1.0, 10.0, 60.0, 300.0)
LEAST_SECONDS, MOST_SECONDS = 1.0, 3600.0
CALM = 0.1
"""The share of what is sustained at which an RPO is told besides."""

# What a cycle takes one after the other, however little it carries: README.md and docs/operations.md say what counted it.
SYNCS, CREATES, GETS = 6, 2, 4


class Bench(Value, frozen=True):
    """Measure for about so many seconds. `vault` None: without one. `disk`: a file or device to read; None: a scratch file in the state
    directory. `leave`: objects that may not be deleted again may stay."""

    state_dir: str
    vault: str | None = None
    disk: str | None = None
    seconds: float = 20.0
    leave: bool = False


class Latency(Value, frozen=True):
    """Of `count` times."""

    count: int
    median_seconds: float
    p95_seconds: float


class Reading(Value, frozen=True):
    """Bytes a second, four reads at once. `direct`: past the host's cache."""

    path: str
    in_sequence: float
    scattered: float
    direct: bool


class Encoding(Value, frozen=True):
    """Bytes of a disk a second, by one thread and by two. `ratio`: bytes that are sent for each. `sample`: what was encoded."""

    unchanged_1: float
    unchanged_2: float
    changed_1: float
    changed_2: float
    ratio: float
    sample: str


class Storing(Value, frozen=True):
    """Of a vault's store. Rates, in bytes a second of `at_once` objects at once, are None where nothing could be deleted again.
    `left`: names of objects that are still there, `left_bytes` long."""

    url: str
    create: Latency
    get: Latency
    at_once: int
    put_rate: float | None
    get_rate: float | None
    left: tuple[str, ...] = ()
    left_bytes: int = 0


class Measured(Value, frozen=True):
    reading: Reading
    encoding: Encoding
    sync: Latency
    storing: Storing | None


class Sustained(Value, frozen=True):
    """At an interval of `seconds`: so many changed bytes a second on average, with which each cycle just ends before the next begins. None:
    cycles take longer than that. The newest point's age at worst at that, and at a tenth of it."""

    seconds: float
    churn: float | None
    rpo_seconds: float | None
    calm_rpo_seconds: float | None


class Capacity(Value, frozen=True):
    """`stages`: what each of them carries, in changed bytes of a disk a second; the slowest is the `bottleneck`. `cycle_seconds`: what a
    cycle takes that carries next to nothing, beside the VM's part."""

    measured: Measured
    stages: Mapping[str, float]
    bottleneck: str
    cycle_seconds: float
    sustained: tuple[Sustained, ...]


def checked_bench(request: Bench) -> Bench:
    if not LEAST_SECONDS <= request.seconds <= MOST_SECONDS:
        raise InvalidRequest(f"nothing is measured in {request.seconds:g} s", hint="--seconds takes 1 to 3600")
    return request


def latency_of(seconds: list[float]) -> Latency:
    return Latency(count=len(seconds), median_seconds=percentile(seconds, 0.5), p95_seconds=percentile(seconds, 0.95))


def capacity_of(measured: Measured) -> Capacity:
    encoding, storing = measured.encoding, measured.storing
    stages = {"reading the disk": measured.reading.scattered, "compressing and sealing": max(encoding.changed_1, encoding.changed_2)}
    if storing is not None and storing.put_rate is not None:
        stages["storing in the vault"] = storing.put_rate / encoding.ratio if encoding.ratio else float("inf")
    bottleneck = min(stages, key=lambda stage: stages[stage])
    alone = SYNCS * measured.sync.median_seconds
    if storing is not None:
        alone += CREATES * storing.create.median_seconds + GETS * storing.get.median_seconds
    return Capacity(
        measured=measured,
        stages=stages,
        bottleneck=bottleneck,
        cycle_seconds=alone,
        sustained=tuple(sustained(interval, stages[bottleneck], alone) for interval in INTERVALS),
    )


def sustained(interval: float, rate: float, alone: float) -> Sustained:
    """`rate`: of the slowest stage; `alone`: seconds of a cycle that carries nothing."""
    if alone >= interval:
        return Sustained(seconds=interval, churn=None, rpo_seconds=None, calm_rpo_seconds=None)
    left = interval - alone
    return Sustained(
        seconds=interval, churn=rate * left / interval, rpo_seconds=2 * interval, calm_rpo_seconds=interval + alone + CALM * left
    )
