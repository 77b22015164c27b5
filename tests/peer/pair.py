"""A site that serves a store, and others that joined it, all in one process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.engine import Peer, PeerLimits
from understudy.pairing.address import Address
from understudy.pairing.key import RegistrationKey
from understudy.peer.authority import authority_here
from understudy.peer.registry import Registry
from understudy.peer.serving import Terms, serving
from understudy.store.file import FileStore
from understudy.store.peer.channel import Patience
from understudy.store.peer.joining import join
from understudy.store.peer.store import PeerStore
from understudy.store.protocol import ObjectStore

TERMS = Terms("127.0.0.1", 0, watch=0.02)
HASTY = Patience(connect=5.0, stall=5.0, answer=20.0)


@dataclass
class Served:
    """`directory`: the serving site's; each peer's state is below `home`."""

    directory: Path
    home: Path
    port: int
    stack: AsyncExitStack = field(repr=False)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    def invited(self, name: str, limits: PeerLimits = PeerLimits(), now: int | None = None, port: int = 0) -> RegistrationKey:  # noqa: B008
        registry = Registry(self.directory)
        try:
            peer, secret = registry.invite(name, limits, now)
        finally:
            registry.close()
        address = Address("127.0.0.1", port or self.port)
        return RegistrationKey(address, authority_here(self.directory, "there").pin, peer.id, secret)

    def credential(self, name: str) -> Path:
        return self.home / name / "credential.pem"

    async def joined(self, name: str = "peer", limits: PeerLimits = PeerLimits(), patience: Patience = HASTY) -> PeerStore:  # noqa: B008
        """A new peer's store, closed in the end."""
        joined = await join(self.invited(name, limits), self.home / f"{name}-state")
        await asyncio.to_thread(_moved, Path(joined.credential), self.credential(name))
        return self.opened(name, patience=patience)

    def opened(self, name: str, port: int = 0, patience: Patience = HASTY) -> PeerStore:
        store = PeerStore(Address("127.0.0.1", port or self.port), self.credential(name), patience)
        self.stack.push_async_callback(store.close)
        return store

    def registry(self) -> Registry:
        registry = Registry(self.directory)
        self.stack.callback(registry.close)
        return registry


def _moved(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True)
    path.rename(to)


class SiteProcess:
    """The same as a process, which can be killed and begun again at its port."""

    def __init__(self, directory: Path, vault: Path, **terms: Any) -> None:
        self.given = {"directory": str(directory), "vault": str(vault), "port": 0, "terms": terms}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> int:
        command = [sys.executable, "-m", "tests.peer.site_process", json.dumps(self.given)]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self.process.stdout is not None
        self.given["port"] = int(self.process.stdout.readline())
        return int(self.given["port"])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.communicate("", timeout=30)


@asynccontextmanager
async def served(
    tmp_path: Path, store: ObjectStore | None = None, terms: Terms = TERMS, told: list[Peer] | None = None
) -> AsyncIterator[Served]:
    """`store`: by default files in `tmp_path/vault`. `told`: who joined."""
    directory = tmp_path / "there" / "peers"
    async with AsyncExitStack() as stack:
        if store is None:
            store = FileStore(tmp_path / "vault", make=True)
            stack.push_async_callback(store.close)
        port = await stack.enter_async_context(serving(directory, "there", store, terms, [].append if told is None else told.append))
        async with AsyncExitStack() as clients:
            yield Served(directory, tmp_path / "peers", port, clients)
