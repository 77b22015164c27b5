"""A store of which nothing is believed that was not tried: before the first write, once a week on this host."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from understudy.durable import read_record, write_record
from understudy.errors import StateFailed
from understudy.finish import finish_in_thread
from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo
from understudy.store.remote.objects import RemoteStore
from understudy.store.remote.probe import PLACE, probe

HOLDS = 7 * 86400
"""Seconds for which what was found is believed."""


class Finding(msgspec.Struct, frozen=True):
    """`at`: seconds since 1970."""

    address: str
    at: int
    deletes: bool


class ProbedStore:
    """`store`, probed before anything is written to it. Reading asks for nothing more: it may be all that the credentials are good for."""

    def __init__(self, store: RemoteStore, address: str, state: Path) -> None:
        """`address`: all of it; who comes with other credentials is told something else. `state`: the site's state directory."""
        self._store = store
        self._address = address
        self._record = state / "stores" / f"{hashlib.sha256(address.encode()).hexdigest()[:32]}.json"
        self._finding = _remembered(self._record, address)
        self._probing = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        known = self._store.capabilities
        return known if self._finding is None else replace(known, deletes=self._finding.deletes)

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        await self._prove()
        return await self._store.create(name, buffers)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        return await self._store.get(name, start, length)

    async def head(self, name: str) -> ObjectInfo | None:
        return await self._store.head(name)

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in self._store.list(prefix, start_after):
            if not info.name.startswith(PLACE):
                yield info

    async def delete(self, name: str) -> bool:
        await self._prove()
        return await self._store.delete(name)

    async def close(self) -> None:
        await self._store.close()

    async def _prove(self) -> None:
        if self._finding is not None:
            return
        async with self._probing:
            if self._finding is None:
                deletes = await probe(self._store, self._store.server)
                finding = Finding(self._address, int(time.time()), deletes)
                await finish_in_thread(partial(write_record, self._record, finding))
                self._finding = finding


def _remembered(path: Path, address: str) -> Finding | None:
    try:
        found = read_record(path, Finding, "")
    except StateFailed:
        return None  # then it is tried again
    return found if found is not None and found.address == address and 0 <= time.time() - found.at < HOLDS else None
