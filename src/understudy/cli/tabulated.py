"""A table's lines, for a screen of some width or for none.

Of rich only its tables' cells: that measures, wraps and pads each cell like a page, and 10 000 points took it 9 s of a processor's time.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.control import strip_control_codes
from rich.table import Table
from rich.text import Text

GAP = "  "


def lines(table: Table, console: Console) -> Iterator[str | Text]:
    """The headings first. Where the console is too narrow, columns that may wrap give way down to their longest word, and no further."""
    columns = [[_told(cell) for cell in (column.header, *column.cells)] for column in table.columns]
    natural = [max(map(_width, column)) for column in columns]
    least = [wide if own.no_wrap else max(map(_word, column)) for own, column, wide in zip(table.columns, columns, natural, strict=True)]
    widths = _shared(natural, least, console.width - len(GAP) * (len(columns) - 1))
    right = [own.justify == "right" for own in table.columns]
    for number, row in enumerate(zip(*columns, strict=True)):
        parts = [_wrapped(cell, width, console) for cell, width in zip(row, widths, strict=True)]
        for cells in zip(*parts, strict=True) if max(map(len, parts)) == 1 else zip_longest(*parts, fillvalue=""):
            line = _joined(cells, widths, right)
            yield line if number or not table.header_style else Text(str(line), style=table.header_style)


def _told(cell: RenderableType) -> str | Text:
    return cell if isinstance(cell, Text) else strip_control_codes(str(cell))


def _width(cell: str | Text) -> int:
    text = str(cell)
    return max(map(cell_len, text.split("\n"))) if "\n" in text else cell_len(text)


def _word(cell: str | Text) -> int:
    return max(map(cell_len, str(cell).split()), default=0)


def _shared(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Each column's width: what is left beyond the least of all goes in equal shares to those that can use it."""
    widths = list(least)
    left = max(0, width - sum(least))
    growing = sorted((more, index) for index, more in enumerate(map(int.__sub__, natural, least)) if more)
    for turn, (more, index) in enumerate(growing):
        given = min(more, left // (len(growing) - turn))
        widths[index] += given
        left -= given
    return widths


def _wrapped(cell: str | Text, width: int, console: Console) -> Sequence[str | Text]:
    if _width(cell) <= width and "\n" not in str(cell):
        return (cell,)
    found = (cell if isinstance(cell, Text) else Text(cell)).wrap(console, width)
    return list(found) if isinstance(cell, Text) else [line.plain for line in found]


def _joined(cells: Sequence[str | Text], widths: Sequence[int], right: Sequence[bool]) -> str | Text:
    """A plain line is a str: it costs a hundredth of what one with styles does."""
    parts: list[str | Text] = []
    for cell, width, flush in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(cell))
        parts += (space, cell, GAP) if flush else (cell, space, GAP)
    if all(isinstance(part, str) for part in parts):
        return "".join(map(str, parts)).rstrip()
    line = Text.assemble(*parts)
    line.rstrip()
    return line
