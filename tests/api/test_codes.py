"""Each code that an answer may have is listed where operators look, with its status and the command's exit code."""

import re
from collections.abc import Iterator
from pathlib import Path

from understudy.api import refusals
from understudy.errors import UnderstudyError

RUNBOOK = Path(__file__).parents[2] / "docs" / "operations.md"


def family(kind: type[UnderstudyError]) -> Iterator[type[UnderstudyError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_every_code_is_listed() -> None:
    assert refusals.Overdue in set(family(UnderstudyError)), "what only HTTP knows is among them"
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]*) \|$", RUNBOOK.read_text(), re.MULTILINE)
    listed = {(int(row), code, int(status)) for row, codes in rows for code, status in re.findall(r"`(\w+)` \((\d+)\)", codes)}
    ours = {kind for kind in family(UnderstudyError) if kind.__module__ in (UnderstudyError.__module__, refusals.__name__)}
    assert listed == {(kind.exit_code, kind.code, kind.http_status) for kind in ours}
