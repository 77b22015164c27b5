"""What a screen shows."""

import sys
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

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


def test_a_table_that_fits_looks_as_rich_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Wide letters, empty cells, two lines in one, styles: those of a terminal alone."""
    table = columns("point", "", "cause", right=("point",), wrapped=("cause",))
    table.add_row("1", "名前", "delta")
    table.add_row("12345678", "", "two\nlines of it")
    table.add_row("[3]", ":smile:", Text("bold", style="bold"))
    Console(width=200, markup=False, emoji=False, highlight=False).print(table)
    rendered = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    Output(as_json=False).table(table)
    assert capsys.readouterr().out.splitlines() == rendered


def test_columns_that_wrap_share_what_room_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in {"COLUMNS": "29", "LINES": "24", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    table = columns("point", "cause", "note", right=("point",), wrapped=("cause", "note"))
    table.add_row("1", "disk vda was resized twice", "short one")
    Output(as_json=False).table(table)
    assert capsys.readouterr().out == "point  cause        note\n    1  disk vda     short one\n       was resized\n       twice\n"


def test_a_long_table_is_not_rendered_cell_by_cell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 10 000 points that took 9 of 12 seconds."""
    table = columns("point", "cause", wrapped=("cause",))
    for number in range(3000):
        table.add_row(str(number), "resync: " + "a long story " * (30 if number % 1000 == 0 else 1))
    rendered, real = 0, Console.render

    def counting(*arguments: Any, **more: Any) -> Any:
        nonlocal rendered
        rendered += 1
        return real(*arguments, **more)

    monkeypatch.setattr(Console, "render", counting)
    Output(as_json=False).table(table)
    assert rendered < 50
    assert len(capsys.readouterr().out.splitlines()) > 3001
