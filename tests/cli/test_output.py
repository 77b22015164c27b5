"""What a screen shows."""

import sys

import pytest

from understudy.cli.output import Output, columns


@pytest.mark.parametrize("width", [20, 80, 300])
def test_nothing_of_a_table_is_cut(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    table = columns("point", "frozen at", "cause", right=("point",), wrapped=("cause",))
    table.add_row("1234567", "2026-11-20 18:07:35", "resync: disk vda was resized")
    Output(as_json=False).table(table)
    words = {"1234567", "2026-11-20", "18:07:35", "resync:", "disk", "vda", "was", "resized"}
    assert words <= set(capsys.readouterr().out.split())
