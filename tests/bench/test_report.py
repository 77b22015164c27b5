"""What a run's figures come to: targets, ratios, the page."""

import math
from typing import Any

import msgspec
import pytest

from bench.live.figures import Window, latency_of, quantile
from bench.report.page import page_of
from bench.report.ratios import ratios_of
from bench.report.reading import idle_of, kernels_of, starts_of
from bench.report.results import Idle, Kernel, Results, Start
from bench.report.targets import Verdict, rows_of
from tests.bench import made


def verdicts(results: Results) -> list[Verdict]:
    """Without the last row, which is no benchmark's."""
    return [row.verdict for row in rows_of(results)][:-1]


def without(**changes: Any) -> Results:
    return msgspec.structs.replace(made.results(), **changes)


def test_a_run_that_met_every_target_says_so() -> None:
    assert set(verdicts(made.results())) == {Verdict.MET}


def test_a_run_that_measured_nothing_met_nothing() -> None:
    nothing = Results("now", "", "make bench", made.HOST)
    assert set(verdicts(nothing)) == {Verdict.OPEN}
    assert not ratios_of(nothing)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"kernels": made.kernels(0.85)}, ["changed data, blocks to sealed frames, one core"]),
        ({"whole": made.whole(1, 3)}, ["initial replication of an image of 4 GiB", "the same, unchanged, a full scan"]),
        ({"idle": (Idle("8 TiB", "raw", 0.11, 0.02, 0.01, 6, 0),)}, ["cycle of an idle machine"]),
        ({"starts": (Start("1 GiB", 3.6, 1.5, 1.0),)}, ["failover to a running guest kernel"]),
        ({"live": (made.live(100_000_000, 1, 1000, rpo=5.1),)}, ["points each second"]),
        ({"live": (made.live(10_000_000, 1, 1000),)}, ["points each second"]),
        ({"live": (made.live(10_000_000, 30, 1060),)}, ["guest's write latency, points every 30 s"]),
        ({"growth": (made.growth("machines", 100, "daemon", 1, 300 << 20),)}, ["memory of a daemon of 100 machines"]),
    ],
)
def test_a_target_that_was_missed_is_told_as_missed(changes: dict[str, Any], missed: list[str]) -> None:
    assert [row.what for row in rows_of(without(**changes)) if row.verdict is Verdict.MISSED] == missed


def test_one_kind_of_data_below_the_target_misses_it() -> None:
    *others, last = made.kernels()
    assert Verdict.MISSED in verdicts(without(kernels=(*others, msgspec.structs.replace(last, beside=0.5))))


def test_adversarial_data_have_no_target() -> None:
    hard = Kernel("one byte", "encode, unchanged", 1e9, 1, {"xxh3": 0.1}, 0.1)
    assert set(verdicts(without(kernels=(*made.kernels(), hard)))) == {Verdict.MET}


def test_every_ratio_is_written_so_that_more_is_better() -> None:
    found = ratios_of(made.results())
    assert found["encode, unchanged : xxh3, system"].ratio == 1.0
    assert found["initial of 4 GiB : restic and borg, by the clock"].ratio == 6
    assert found["list (known) of 1 : of 10000 points, processor"].ratio == 0.1
    assert found["list (known) of 1 : of 10000 points, memory"].ratio == 0.5
    assert found["idle cycle of 1 GiB : of 8 TiB, raw"].ratio == pytest.approx(0.8)
    assert found["start by the hypervisor alone : from a point, 1 GiB"].ratio == 0.75
    assert found["busy cycle of 1 GiB : of 8 TiB, 10 MB/s"].ratio == 1
    assert found["guest's p99 without : with replication, 100 MB/s on 1 GiB every 1 s"].ratio == 0.5


def test_a_ratio_of_two_that_took_turns_is_held_more_narrowly() -> None:
    found = ratios_of(
        without(kernels=(Kernel("system", "sign", 1e9, 1, {"xxh3": 0.7}, 0.9), Kernel("system", "decode", 1e9, 1, {"unlz4": 0.7})))
    )
    assert found["sign : xxh3, system"].ratio == 0.9
    assert found["sign : xxh3, system"].tolerance < found["decode : unlz4, system"].tolerance


def test_the_page_names_its_command_and_shows_only_plots_that_are_there() -> None:
    page = page_of(made.results(), ["kernels", "whole"])
    assert "Made by `make bench` at abcdef1, 2026-01-01 00:00 UTC, in 5 minutes" in page
    assert "(performance/kernels.svg)" in page
    assert "(performance/growth.svg)" not in page
    assert "| points each second | kept up; RPO ≤ 5 s at 100 MB/s of 64 KiB writes | 100 of 100 MB/s" in page
    assert "restic, defaults" in page


def test_a_page_of_one_part_says_nothing_of_the_others() -> None:
    page = page_of(Results("now", "", "make bench", made.HOST, kernels=made.kernels()), [])
    assert "## Kernels" in page
    assert "## Growth" not in page


def test_results_are_read_back_from_their_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(made.results()), type=Results) == made.results()


def benchmark(module: str, what: str, rate: float, **more: Any) -> dict[str, Any]:
    extra = {"what": what, "data": "system", "bytes": 1000, **more}
    return {"fullname": f"bench/{module}.py::test_it", "extra_info": extra, "stats": {"min": 1000 / rate, "median": 1.0}}


def test_a_kernel_is_beside_limits_of_any_module() -> None:
    told = [
        benchmark("test_kernels", "lz4", 10),
        benchmark("test_pipeline", "pipeline", 20, against=["lz4", "unknown"], threads=2),
        {"fullname": "bench/test_pipeline.py::other", "extra_info": {}, "stats": {}},
    ]
    (kernel,) = kernels_of(told, "test_pipeline")
    assert (kernel.what, kernel.threads, kernel.against) == ("pipeline", 2, {"lz4": 2.0})
    assert [one.what for one in kernels_of(told, "test_kernels")] == ["lz4"]


def test_single_cycles_and_starts_are_read() -> None:
    idle = {"disk": "1 GiB", "form": "raw", "beyond": 0.01, "most": 0.02, "cpu": 0.01, "syncs": 6.0, "resident": 5}
    start = {"disk": "1 GiB", "took": 2.0, "alone": 1.5, "drained": 1.0}
    told = [{"extra_info": {"idle": idle}, "stats": {"median": 0.03}}, {"extra_info": {"start": start}, "stats": {}}]
    assert idle_of(told) == (Idle("1 GiB", "raw", 0.03, 0.01, 0.01, 6, 5),)
    assert starts_of(told) == (Start("1 GiB", 2.0, 1.5, 1.0),)


def window(*took: int) -> Window:
    """As writes.c bins them."""
    counts: dict[int, int] = {}
    for one in took:
        doublings = max(one.bit_length() - 7, 0)
        number = 64 * doublings + (one >> doublings)
        counts[number] = counts.get(number, 0) + 1
    return Window(len(took), max(took, default=0), 0, tuple(sorted(counts.items())))


@pytest.mark.parametrize("slow", [50, 100, 129, 5000, 1_000_000])
def test_a_quantile_is_of_all_windows_together(slow: int) -> None:
    fast = [window(*[10] * 100)] * 9
    latency = latency_of([*fast, window(*[10] * 80, *[slow] * 20)], 65536, 1)
    assert latency.p50 == pytest.approx(10, abs=1)
    assert latency.p99 == pytest.approx(slow, rel=0.02)
    assert latency.most == slow
    assert latency.rate == 100 * 65536


def test_nothing_written_has_no_latency() -> None:
    assert quantile({}, 0.99) == 0
    assert latency_of([Window(0, 0, 0)], 65536, 1).rate == 0
    assert latency_of([], 65536, 1).rate == 0
    assert not math.isnan(latency_of([], 65536, 1).p99)
