"""Where a command's answer goes: a document (or lines) of JSON on stdout, or words and tables for a person."""

import sys
from itertools import groupby
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from understudy.cli.tabulated import lines


class _Pipe(Console):
    """A console that leaves a closed pipe to the top command instead of ending the process itself."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Output:
    """One command's output. With `as_json`, words and tables are not shown at all."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        # Names come from records that others wrote: what stands in square brackets or between colons is no command.
        # A table that goes to a file or a pipe keeps its full width: nothing is cut for a screen that is not there.
        self.out = _console(None if sys.stdout.isatty() else 200)
        self.err = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)

    @property
    def is_screen(self) -> bool:
        """Whether somebody looks at it as it is written."""
        return self.out.is_terminal

    def document(self, value: Any) -> None:
        """The whole answer, or one line of a stream. Only with `as_json`."""
        if self.as_json:
            sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
            sys.stdout.flush()

    def say(self, text: str = "", style: str = "") -> None:
        """A line for a person; square brackets in it are just that."""
        if not self.as_json:
            self.out.print(Text(text, style=style), soft_wrap=True)
            sys.stdout.flush()

    def show(self, part: RenderableType) -> None:
        """A line or a table for a person."""
        if isinstance(part, Table):
            self.table(part)
        elif not self.as_json:
            self.out.print(part, soft_wrap=True)
            sys.stdout.flush()

    def warn(self, text: str) -> None:
        """A line on stderr, JSON or not: never part of the answer."""
        self.err.print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on stderr of what goes on, JSON or not."""
        self.err.print(Text(text, style="dim"), soft_wrap=True)

    def table(self, table: Table) -> None:
        """On a screen that is too narrow for it, lines wrap; nothing is cut."""
        if not self.as_json:
            for styled, run in groupby(lines(table, self.out), key=lambda line: isinstance(line, Text)):
                if styled:
                    for line in run:
                        self.out.print(line, soft_wrap=True)
                else:
                    self.out.out("\n".join(map(str, run)), highlight=False)
            sys.stdout.flush()


def _console(width: int | None) -> Console:
    return _Pipe(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def columns(*headings: str, right: tuple[str, ...] = (), wrapped: tuple[str, ...] = ()) -> Table:
    """A plain table: headings, no rules. `right`: columns of numbers; `wrapped`: those that give way on a narrow screen."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading not in wrapped)
    return table
