"""Comparing what a peer is charged for with what is in the store, page by page."""

from os.path import commonpath, dirname

from understudy.engine import Peer
from understudy.peer.books import Books
from understudy.store.protocol import ObjectStore

_PAGE = 1000


async def recount(store: ObjectStore, books: Books, peer: Peer) -> None:
    """What is not there any more counts no more, also of what the peer stored under a former prefix."""
    after = ""
    while rows := await books.page(peer.id, after, _PAGE):
        charged = {row.name for row in rows}
        there = set()
        # Sorted, so that all between begin as the first and the last do.
        root = commonpath([dirname(rows[0].name), dirname(rows[-1].name)])
        # Charged before it was listed: what is missing here was missing then, or has gone since.
        async for info in store.list(root and f"{root}/", _before(rows[0].name)):
            if info.name > rows[-1].name:
                break
            # Others' are not kept: there may be any number of them.
            if info.name in charged:
                there.add(info.name)
        gone = [row for row in rows if row.name not in there]
        if gone:
            await books.gone(peer.id, gone)
        after = rows[-1].name


def _before(name: str) -> str:
    """What sorts before a name, and after most that do."""
    return name[:-1]
