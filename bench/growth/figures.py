"""What growth costs, as a report and a guard read it."""

import msgspec

from bench.whole.measure import Cost


class Row(msgspec.Struct, frozen=True):
    """A command on a vault that has grown to `number` of what `grown` says: the quickest of its rounds."""

    grown: str
    number: int
    site: str
    command: str
    cost: Cost
    mapped: int = 0
    """Bytes of `cost.rss` that are pages of files."""
