"""S3's object lock, in compliance mode: nobody at all ends such a lock before its time, the account's owner included."""

from collections.abc import AsyncIterator

from understudy.errors import StoreRefused
from understudy.store.locks import Lock, Stored, Terms
from understudy.store.names import is_segment
from understudy.store.remote.lock_probe import PLACE, probe
from understudy.store.remote.s3_requests import S3Requests
from understudy.store.url import StoreUrl

NEAR = 1.0
"""Seconds: servers keep times of whole seconds."""


class S3Locks:
    """`Locks` over a bucket."""

    def __init__(self, url: StoreUrl) -> None:
        self._requests = S3Requests(url)

    async def terms(self) -> Terms:
        return await self._requests.terms()

    async def stored(self, prefix: str, start_after: str = "") -> AsyncIterator[Stored]:
        key, version, held = self._requests.key_of(start_after) if start_after else "", "", None
        while True:
            page, key, version = await self._requests.page(prefix, key, version)
            for found in page:
                if held is not None and held.name == found.name:
                    found = Stored(found.name, held.versions + found.versions, held.markers + found.markers)
                elif held is not None:
                    yield held
                held = found if _is_ours(found.name) else None
            if not key:
                break
        if held is not None:
            yield held

    async def lock(self, name: str, version: str, until: float) -> None:
        try:
            await self._requests.retain(name, version, until)
        except StoreRefused:
            # To shorten one is refused, too.
            known = await self._requests.locked(name, version)
            if known is None or not known.strict or known.until < until - NEAR:
                raise

    async def locked(self, name: str, version: str = "") -> Lock | None:
        return await self._requests.locked(name, version)

    async def uncover(self, name: str, version: str, above: tuple[str, ...]) -> None:
        try:
            for other in above:
                await self._requests.remove(name, other)
        except StoreRefused:
            await self._requests.copy(name, version)

    async def probe(self) -> tuple[str, ...]:
        return await probe(self._requests)

    async def close(self) -> None:
        await self._requests.close()


def _is_ours(name: str) -> bool:
    return not name.startswith(PLACE) and all(map(is_segment, name.split("/")))
