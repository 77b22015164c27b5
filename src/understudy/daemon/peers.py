"""Serving other sites, for as long as the daemon runs: what keeps it from that is told, and tried again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from understudy.config.values import Config
from understudy.engine import Peer
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal
from understudy.peer.serving import Terms, serving
from understudy.store.protocol import ObjectStore

_AGAIN = 15.0
"""Seconds until it is tried again. Replication does not wait for it."""


async def serve_peers(config: Config, open_store: Callable[[str, Path], ObjectStore], journal: Journal) -> None:
    """Until cancelled; at once where nobody is to be served."""
    peers, state, told = config.peers, Path(config.state_dir), ""
    if peers is None:
        return

    def joined(peer: Peer) -> None:
        journal.tell("peer.joined", "info", f"the peer {peer.name!r} has joined", data={"peer": peer.id})

    while True:
        try:
            store = open_store(peers.url or config.vault.url, state)
            try:
                async with serving(state / "peers", config.site, store, Terms(peers.host, peers.port, peers.memory), joined):
                    told = ""
                    journal.tell("peers.served", "info", f"other sites are served at {peers.host}:{peers.port}")
                    await asyncio.Event().wait()
            finally:
                await store.close()
        except UnderstudyError as error:
            if error.message != told:
                journal.tell("peers.failed", "error", f"other sites are not served: {error.message}", data={"hint": error.hint})
                told = error.message
            await asyncio.sleep(_AGAIN)
