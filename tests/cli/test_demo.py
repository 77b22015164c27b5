"""What `understudy demo` says and how it ends, for a report that is given."""

import msgspec
import pytest
from click.testing import CliRunner

from understudy.cli import demo
from understudy.cli.main import cli
from understudy.demo.console import Verdict
from understudy.demo.report import Report

GOOD = Report(
    accelerator="TCG",
    initial_bytes=82 << 20,
    initial_stored_bytes=35 << 20,
    initial_seconds=1.0,
    cycles=25,
    cycle_seconds=0.2,
    dirty_bytes=61 << 20,
    different_bytes=52 << 20,
    sent_bytes=13 << 20,
    point=29,
    rpo_seconds=0.9,
    restore_seconds=1.5,
    rto_seconds=3.5,
    acknowledged=1613,
    acknowledged_before_freeze=1570,
    recovered=1571,
    lost=42,
    verdict=Verdict(fsck=(0, 0), highest=1571, present=1571, missing=0, corrupt=0, torn=0, head=1571, bytes=1, bad=()),
    problems=(),
)
BAD = msgspec.structs.replace(GOOD, problems=("3 records are corrupt (first: 7, 8, 9)",))


def play(monkeypatch: pytest.MonkeyPatch, report: Report, *words: str):
    async def demonstrate(*_: object, **__: object) -> Report:
        return report

    monkeypatch.setattr(demo, "demonstrate", demonstrate)
    return CliRunner().invoke(cli, ["demo", *words])


def test_success_names_what_came_back(monkeypatch):
    done = play(monkeypatch, GOOD)
    assert done.exit_code == 0
    assert "1570 of them before point 29" in done.output
    assert "4.0 different bytes for each byte sent" in done.output
    assert "42 records acknowledged after the point was frozen" in done.output
    assert done.output.rstrip().endswith("all 1570 records that were acknowledged before the newest point came back")


def test_anything_wrong_is_an_error(monkeypatch):
    done = play(monkeypatch, BAD)
    assert done.exit_code == 6
    assert "FAILED" in done.output
    assert "3 records are corrupt" in done.output


def test_the_report_as_a_document(monkeypatch):
    done = play(monkeypatch, GOOD, "--json")
    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout, type=Report) == GOOD


def test_a_period_that_is_none_is_refused():
    done = CliRunner().invoke(cli, ["demo", "--for", "nonsense"])
    assert done.exit_code == 2
    assert "no interval" in done.output
