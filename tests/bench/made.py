"""A run's results, made up."""

from bench.growth.figures import Row as Growth
from bench.live.figures import Latency
from bench.live.figures import Row as Live
from bench.report.results import Host, Idle, Kernel, Results, Start
from bench.whole.figures import Figure, Result, Told, ratios
from bench.whole.figures import Host as WholeHost
from bench.whole.figures import Run as Whole
from bench.whole.measure import Cost
from bench.whole.step import Step

MIB = 1 << 20
GIB = 1 << 30
HOST = Host("a processor", 2, 4 * GIB, "6.1", "3.11", "QEMU 7.2", "ext4", 5e8, 0.001)
KINDS = ("zero", "system", "database", "random")


def kernels(beside: float = 1.0) -> tuple[Kernel, ...]:
    made = []
    for data in KINDS:
        made += [Kernel(data, "lz4", 1e9), Kernel(data, "encode, 2 threads", 1.9e9, 2, {"encode, by the clock": 1.9})]
        for what, limit in (("encode, unchanged", "xxh3"), ("encode, changed, aegis256", "lz4")):
            made.append(Kernel(data, what, beside * 1e9, 1, {limit: beside}, beside))
    return tuple(made)


def live(rate: int, every: int, p99: float, rpo: float = 1.0, size: int = GIB) -> Live:
    alone, followed = Latency(100, 1000, 5000, rate), Latency(110, p99, 6000, rate)
    return Live(size, rate, every, "tcg", alone, followed, 20, 0.1, 0.2, rpo, MIB)


def growth(grown: str, number: int, command: str, cpu: float, rss: int, mapped: int = 0) -> Growth:
    return Growth(grown, number, "known", command, Cost(cpu, cpu, 0.0, rss), mapped)


def whole(ours: float, peer: float) -> Whole:
    results = tuple(
        Result(tool, "defaults", step, (Figure(wall, wall, 0.0, MIB, MIB, 0, 0.0),))
        for step in Step
        for tool, wall in (("understudy", ours), ("restic", peer))
    )
    told = tuple(Told(tool, "defaults", "a reason", "1", True) for tool in ("understudy", "restic"))
    return Whole("now", WholeHost("a processor", 2, GIB, "6"), 4 * GIB, 3 * GIB, 10, told, results, ratios(results))


def results() -> Results:
    """Of a run that met every target."""
    return Results(
        began="2026-01-01 00:00",
        commit="abcdef1",
        command="make bench",
        host=HOST,
        seconds={"kernels": 100.0, "whole": 200.0},
        kernels=kernels(),
        pipeline=(Kernel("system", "pipeline, changed, 2 threads", 2e9, 2, {"lz4": 2.0}),),
        whole=whole(1, 6),
        live=(
            live(10_000_000, 1, 1100),
            live(10_000_000, 1, 1100, size=8192 * GIB),
            live(100_000_000, 1, 2000),
            live(10_000_000, 30, 1040),
        ),
        idle=(Idle("1 GiB", "raw", 0.04, 0.02, 0.01, 6, 60 * MIB), Idle("8 TiB", "raw", 0.05, 0.02, 0.01, 6, 60 * MIB)),
        starts=(Start("1 GiB", 2.0, 1.5, 1.0),),
        growth=(
            growth("points", 1, "list", 0.5, 50 * MIB),
            growth("points", 10_000, "list", 5.0, 100 * MIB),
            growth("machines", 100, "daemon", 20.0, 280 * MIB, 40 * MIB),
        ),
    )
