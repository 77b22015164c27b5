"""Which ratios count as fallen, and what is recorded."""

from pathlib import Path

import msgspec
import pytest

from bench import guard
from bench.guard import Verdict, fell, held, lines
from bench.report.ratios import Ratio
from bench.report.results import Kernel, Results
from tests.bench.made import HOST


def verdict(recorded: float | None, measured: float | None, tolerance: float = 0.2) -> Verdict:
    (row,) = held(
        {} if recorded is None else {"one": Ratio(recorded, tolerance)},
        {} if measured is None else {"one": Ratio(measured, tolerance)},
    )
    return row.verdict


@pytest.mark.parametrize(
    ("recorded", "measured", "expected"),
    [
        (2.0, 2.0, Verdict.HELD),
        (2.0, 1.61, Verdict.HELD),
        (2.0, 1.59, Verdict.FELL),
        (2.0, 2.49, Verdict.HELD),
        (2.0, 2.51, Verdict.ROSE),
        (2.0, None, Verdict.LEFT_OUT),
        (None, 2.0, Verdict.NEW),
    ],
)
def test_a_ratio_falls_only_below_its_tolerance(recorded: float | None, measured: float | None, expected: Verdict) -> None:
    assert verdict(recorded, measured) is expected


def test_the_tolerance_that_counts_is_the_recorded_one() -> None:
    (row,) = held({"one": Ratio(1.0, 0.5)}, {"one": Ratio(0.6, 0.1)})
    assert row.verdict is Verdict.HELD


def test_only_what_fell_makes_a_run_fail() -> None:
    assert not fell(held({"a": Ratio(1, 0.1), "b": Ratio(1, 0.1)}, {"a": Ratio(5, 0.1), "c": Ratio(1, 0.1)}))
    assert fell(held({"a": Ratio(1, 0.1)}, {"a": Ratio(0.8, 0.1), "c": Ratio(1, 0.1)}))


def test_the_table_begins_with_what_fell_and_counts_what_held() -> None:
    recorded = {"same": Ratio(1, 0.1), "worse": Ratio(1, 0.1), "better": Ratio(1, 0.1), "left": Ratio(1, 0.1)}
    measured = {"same": Ratio(1, 0.1), "worse": Ratio(0.5, 0.1), "better": Ratio(2, 0.1), "fresh": Ratio(1, 0.1)}
    head, *told, last = lines(held(recorded, measured))
    assert "recorded" in head
    assert [line.split()[0] for line in told] == ["worse", "better", "fresh"]
    assert told[0].split()[1:] == ["1.00", "-10%", "0.50", "FELL"]
    assert last.endswith("1 held, 1 FELL, 1 rose, 1 not recorded, 1 not in this run")


def results(path: Path, beside: float) -> Path:
    kernel = Kernel("system", "sign", 1e9, 1, {"xxh3": beside}, beside)
    path.write_bytes(msgspec.json.encode(Results("now", "abc", "make bench", HOST, kernels=(kernel,))))
    return path


def test_a_run_is_held_against_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "RECORDED", tmp_path / "ratios.json")
    file = tmp_path / "results.json"
    assert guard.main([str(results(file, 0.9))]) == 0
    assert not guard.RECORDED.exists()
    assert guard.main([str(file), "--record"]) == 0
    assert guard.recorded() == {"sign : xxh3, system": Ratio(0.9, 0.15)}
    assert guard.main([str(results(file, 0.8))]) == 0
    assert guard.main([str(results(file, 0.7))]) == 1
    assert guard.main([str(file), "--record"]) == 0
    assert guard.main([str(file)]) == 0


def test_what_a_run_left_out_stays_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "RECORDED", tmp_path / "ratios.json")
    guard.record({"a": Ratio(1.23456, 0.1), "b": Ratio(2, 0.1)})
    guard.record({"b": Ratio(3, 0.2)})
    assert guard.recorded() == {"a": Ratio(1.235, 0.1), "b": Ratio(3, 0.2)}


def test_a_guard_without_a_run_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        guard.main([str(tmp_path / "none.json")])
    assert "run `make bench` first" in capsys.readouterr().err
