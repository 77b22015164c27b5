"""Maps' pages that neighbouring points share, opened once for all of them."""

from collections import OrderedDict
from collections.abc import Sequence

from understudy.model import Rows
from understudy.vault.maps.checkpoint_read import PageAt, read_pages
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History

LIMIT = 128 << 20
"""Bytes of rows: maps of three million rows."""


class Pages:
    """PIECE.pack of all rows is an index into `table`. The pages that were wanted longest ago are forgotten first."""

    def __init__(self, history: History, table: PackTable, limit: int = LIMIT) -> None:
        self._history = history
        self._table = table
        self._limit = limit
        self._size = 0
        self._rows: OrderedDict[tuple[bytes, int], Rows] = OrderedDict()

    async def read(self, wanted: Sequence[PageAt]) -> list[Rows]:
        """Each page's rows, in the order asked for. `CheckpointDamaged` if one of them does not read."""
        missing = [page for page in wanted if _key(page) not in self._rows]
        for page, rows in zip(missing, await read_pages(self._history, missing, self._table), strict=True):
            self._rows[_key(page)] = rows
            self._size += rows.nbytes
        found: list[Rows] = []
        for page in wanted:
            self._rows.move_to_end(_key(page))
            found.append(self._rows[_key(page)])
        while self._size > self._limit:
            _, rows = self._rows.popitem(last=False)
            self._size -= rows.nbytes
        return found


def _key(page: PageAt) -> tuple[bytes, int]:
    return page.object.id, page.offset
