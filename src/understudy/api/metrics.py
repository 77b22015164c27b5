"""What Prometheus reads. One registry an application; machines are shown as they are when it asks."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from understudy.engine import Health, MachineStatus, Phase, Second, ServiceHealth, Standby

_NANOSECONDS = 1e9
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class StoreRequests(NamedTuple):
    """Requests to the vault's store of one operation that ended alike, and how long (seconds) they took together."""

    operation: str
    outcome: str
    requests: int
    seconds: float


class StoreUse(NamedTuple):
    """All of them since the daemon's start, and the bytes of the objects that they moved."""

    ended: tuple[StoreRequests, ...] = ()
    sent: int = 0
    received: int = 0


class Metrics:
    """Counts what is answered; the rest comes from the statuses it is given, and from `store_use`."""

    def __init__(self, store_use: Callable[[], StoreUse] = StoreUse) -> None:
        self._store_use = store_use
        self._registry = CollectorRegistry()
        labels = ("method", "path", "status")
        self._requests = Counter("understudy_api_requests", "Requests answered, by path in the API", labels, registry=self._registry)
        self._seconds = Histogram(
            "understudy_api_request_duration_seconds", "Time from a request's head to its answer", buckets=_BUCKETS, registry=self._registry
        )

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.observe(seconds)

    def text(self, health: ServiceHealth, machines: Iterable[MachineStatus]) -> bytes:
        """The exposition format."""
        now = CollectorRegistry()
        now.register(_Shown(service_metrics(health)))
        now.register(_Shown(store_metrics(self._store_use())))
        return generate_latest(now) + machine_metrics(machines).encode() + generate_latest(self._registry)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)


class _Shown:
    """Families that are made already, as the library wants to be given them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def service_metrics(health: ServiceHealth) -> Iterator[Metric]:
    """The daemon's own."""
    build = GaugeMetricFamily("understudy_build_info", "1, for what is running", labels=("version", "site", "vault"))
    build.add_metric((health.version, health.site, health.vault_id), 1)
    yield build
    states = GaugeMetricFamily("understudy_health", "1 for the daemon's health, 0 for the others", labels=("state",))
    for state in get_args(Health):
        states.add_metric((state,), state == health.health)
    yield states
    for name, help, value in (
        ("understudy_start_time_seconds", "When the daemon began", health.started_at / _NANOSECONDS),
        ("understudy_machines", "Machines that this host follows", health.machines),
        ("understudy_running_cycles", "Cycles that run now", health.running_cycles),
        ("understudy_running_jobs", "Jobs that run now", health.running_jobs),
        ("understudy_event_loop_lag_seconds", "How late the event loop was at worst in the last minute", health.loop_lag_seconds),
        ("understudy_resident_memory_bytes", "Memory of the daemon", health.resident_bytes),
    ):
        yield GaugeMetricFamily(name, help, value=value)


def store_metrics(use: StoreUse) -> Iterator[Metric]:
    """What the vault's store was asked."""
    labels = ("operation", "outcome")
    requests = CounterMetricFamily("understudy_store_requests", "Requests to the vault's store, by what came of them", labels=labels)
    seconds = CounterMetricFamily("understudy_store_request_seconds", "Time that these requests took together", labels=labels)
    for ended in use.ended:
        requests.add_metric(ended[:2], ended.requests)
        seconds.add_metric(ended[:2], ended.seconds)
    yield requests
    yield seconds
    yield CounterMetricFamily("understudy_store_sent_bytes", "Bytes of objects that were stored", value=use.sent)
    yield CounterMetricFamily("understudy_store_received_bytes", "Bytes of objects that were read", value=use.received)


def _seconds(at: int | None) -> float | None:
    return None if at is None else at / _NANOSECONDS


def _held(status: MachineStatus) -> float | None:
    """Of what is not immutable though it should be there is no such time."""
    known = status.immutable
    return None if known is None or known.wrong or known.lost else _seconds(known.until)


def _covered(status: MachineStatus) -> float | None:
    return None if status.immutable is None else status.immutable.covered + status.immutable.lost


# What is not known is left out: an absent series is an alert of its own, a made-up number is a lie.
_GAUGES: tuple[tuple[str, str, Callable[[MachineStatus], float | None]], ...] = (
    ("rpo_seconds", "Age of the newest committed point's freeze", lambda status: status.rpo_seconds),
    ("rpo_computed_timestamp_seconds", "When the RPO was computed", lambda status: _seconds(status.computed_at)),
    ("interval_seconds", "The policy's interval", lambda status: status.policy.interval),
    ("rpo_warning_seconds", "RPO from which on health is warning", lambda status: status.warning_rpo),
    ("rpo_critical_seconds", "RPO from which on health is critical", lambda status: status.critical_rpo),
    ("newest_point_timestamp_seconds", "When the newest point was frozen", lambda status: _seconds(status.newest_frozen_at)),
    ("next_cycle_timestamp_seconds", "When the next cycle is due", lambda status: _seconds(status.next_at)),
    ("points", "Recovery points", lambda status: status.points),
    ("disk_bytes", "Size of all disks", lambda status: sum(disk.size for disk in status.disks)),
    ("pending_bytes", "Known to be changed and not sent yet", lambda status: status.pending_bytes),
    ("consecutive_failures", "Failures since the last cycle that succeeded", lambda status: status.failures),
    ("cycle_average_seconds", "Average time of the last cycles", lambda status: status.cycles.average_seconds),
    ("cycle_maximum_seconds", "Longest time of the last cycles", lambda status: status.cycles.maximum_seconds),
    ("verified_timestamp_seconds", "When a point was last verified", lambda status: _seconds(status.verified_at)),
    ("immutable_wanted_seconds", "The policy's immutability", lambda status: status.policy.immutable or None),
    ("immutable_until_timestamp_seconds", "Until when all that its points need is locked, at least", _held),
    ("covered_objects", "Locked objects that somebody deleted or overwrote", _covered),
    ("drilled_timestamp_seconds", "When a point was last started in a drill", lambda status: _seconds(status.drilled_at)),
    ("vault_seen_timestamp_seconds", "When the vault last answered", lambda status: _seconds(status.vault_seen_at)),
)
_STANDBY_GAUGES: tuple[tuple[str, str, Callable[[Standby], float | None]], ...] = (
    ("standby_behind_points", "Points that its standby here lacks", lambda standby: standby.behind),
    ("standby_lag_seconds", "How much later than the standby's point the newest one was frozen", lambda standby: standby.lag_seconds),
    ("standby_point_timestamp_seconds", "When the standby's point was frozen", lambda standby: _seconds(standby.frozen_at)),
)
_SECOND_GAUGES: tuple[tuple[str, str, Callable[[Second], float | None]], ...] = (
    ("second_behind_points", "Points that its copy in the second vault lacks", lambda second: second.behind),
    ("second_lag_seconds", "How much later than the copy's newest point the vault's was frozen", lambda second: second.lag_seconds),
    ("second_point_timestamp_seconds", "When the copy's newest point was frozen", lambda second: _seconds(second.frozen_at)),
    ("second_seen_timestamp_seconds", "When the copy was last brought on", lambda second: _seconds(second.seen_at)),
    ("second_verified_timestamp_seconds", "When some of the copy was last read and proven", lambda second: _seconds(second.verified_at)),
    ("second_damaged", "1 while damage of the copy is known that could not be healed", lambda second: float(bool(second.damage))),
    ("second_failing", "1 while the copy is not brought on", lambda second: float(second.state == "failing")),
)
_COUNTERS: tuple[tuple[str, str, Callable[[MachineStatus], float]], ...] = (
    ("cycles", "Cycles that made a point", lambda status: status.totals.made),
    ("failed_cycles", "Cycles that failed", lambda status: status.totals.failed),
    ("missed_cycles", "Cycles that did not begin before the next was due", lambda status: status.totals.missed),
    ("cycle_seconds", "Time that cycles took", lambda status: status.totals.seconds),
    ("read_bytes", "Read from the machine's disks", lambda status: status.totals.read_bytes),
    ("stored_bytes", "Stored in the vault", lambda status: status.totals.stored_bytes),
)


_STATES: tuple[tuple[str, str, str, tuple[str, ...], Callable[[MachineStatus], str]], ...] = (
    ("health", "1 for the machine's health, 0 for the others", "state", get_args(Health), lambda status: status.health),
    ("phase", "1 for what it does, 0 for the rest", "phase", get_args(Phase), lambda status: status.phase),
)


def machine_metrics(machines: Iterable[MachineStatus]) -> str:
    """Of each machine, by its name and id. Written directly: of a hundred machines the library's way holds up the event loop, and with
    it every other answer, for many times as long."""
    every = [(status, f'machine="{_escaped(status.name)}",id="{_escaped(status.id)}"') for status in machines]
    # Of what only stands by here no cycle is known.
    shown = [(status, label) for status, label in every if status.phase != "standby"]
    lines: list[str] = []
    for name, help, gauge in _GAUGES:
        full = _head(lines, name, help, "gauge")
        lines += [f"{full}{{{label}}} {float(value)!r}" for status, label in shown if (value := gauge(status)) is not None]
    standing = [(status.standby, label) for status, label in every if status.standby is not None]
    for name, help, kept in _STANDBY_GAUGES:
        full = _head(lines, name, help, "gauge")
        lines += [f"{full}{{{label}}} {float(value)!r}" for standby, label in standing if (value := kept(standby)) is not None]
    copied = [(status.second, label) for status, label in every if status.second is not None]
    for name, help, of_copy in _SECOND_GAUGES:
        full = _head(lines, name, help, "gauge")
        lines += [f"{full}{{{label}}} {float(value)!r}" for second, label in copied if (value := of_copy(second)) is not None]
    for name, help, counter in _COUNTERS:
        full = _head(lines, f"{name}_total", help, "counter")
        lines += [f"{full}{{{label}}} {float(counter(status))!r}" for status, label in shown]
    for name, help, by, states, state in _STATES:
        full = _head(lines, name, help, "gauge")
        ends = [(other, f',{by}="{other}"}}') for other in states]
        for status, label in every:
            now = state(status)
            lines += [f"{full}{{{label}{end} {1.0 if other == now else 0.0}" for other, end in ends]
    return "".join(f"{line}\n" for line in lines)


def _head(lines: list[str], name: str, help: str, kind: str) -> str:
    full = f"understudy_machine_{name}"
    lines += [f"# HELP {full} {help}", f"# TYPE {full} {kind}"]
    return full


def _escaped(text: str) -> str:
    """As a label's value."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
