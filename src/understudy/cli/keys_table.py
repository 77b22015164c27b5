"""Keys as a table."""

from collections.abc import Iterable

from rich.table import Table

from understudy.cli.output import columns
from understudy.engine import Key


def keys_table(keys: Iterable[Key]) -> Table:
    """One line a key; a star marks the one in use."""
    table = columns("key", "role", "label", "opens with", "")
    for key in keys:
        table.add_row(key.slot[:12], key.role, key.label, key.kind.replace("-", " "), "*" if key.current else "")
    return table
