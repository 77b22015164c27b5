"""Keys as a table."""

from collections.abc import Sequence

from understudy.cli.output import Output, columns
from understudy.engine import Key


def keys_shown(out: Output, keys: Sequence[Key]) -> None:
    """One line a key; a star marks the one in use. Damaged slots are warned of in full."""
    table = columns("key", "role", "label", "opens with", "")
    for key in keys:
        if key.damage:
            table.add_row(key.slot[:12], "damaged", "", "", "")
        else:
            table.add_row(key.slot[:12], key.role, key.label, key.kind.replace("-", " "), "*" if key.current else "")
    out.table(table)
    for key in keys:
        if key.damage:
            out.warn(f"{key.damage}; put the object keys/{key.slot} back from a copy of the vault, or delete it")
