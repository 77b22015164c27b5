"""Whether a lock holds on this very server, against these very credentials. What counts is what can be read afterwards, never an answer."""

import secrets
from contextlib import suppress

from understudy.errors import StoreRefused
from understudy.store.remote.s3_requests import S3Requests

PLACE = ".probe/"
HELD = 120.0
"""Seconds for which what is probed with is locked; a later probe removes it."""
_DATA, _OTHER = b"locked", b"overwritten"


async def probe(server: S3Requests) -> tuple[str, ...]:
    """What did not withstand, in words. `Unsupported` if nothing can be locked; `StoreUnavailable` if it could not be found out."""
    terms = await server.terms()
    await _clean(server)
    name = f"{PLACE}lock-{secrets.token_hex(8)}"
    version = await server.put(name, _DATA)
    if not version:
        return (f"the bucket {server.url.place} keeps no versions",)
    first = await server.locked(name, version)
    if first is not None and not first.strict:
        wrong = "new objects are locked in governance mode by the bucket's own rule, which whoever has the right for it can pass"
        return (wrong,)
    until = max(terms.now + HELD, first.until + HELD if first is not None else 0.0)
    try:
        await server.retain(name, version, until)
    except StoreRefused as error:
        return (f"these credentials cannot lock objects: {error.message}",)
    found: list[str] = []
    if terms.first and first is None:
        found.append("the bucket says that it locks new objects by itself, and did not")
    known = await server.locked(name, version)
    if known is None or not known.strict or abs(known.until - until) > 1:
        return (*found, "the server accepted a lock and does not know of it")
    found += await _unlocked(server, name, version, until)
    found += await _gone(server, name, version)
    return tuple(found)


async def _unlocked(server: S3Requests, name: str, version: str, until: float) -> list[str]:
    """As the credentials can, and with the right to pass locks, if they have it."""
    found = []
    for what, strict, to in (
        ("the server let a lock in compliance mode be shortened", True, until - HELD / 2),
        ("the server let a lock in compliance mode become one in governance mode, which can be passed", False, until),
    ):
        for force in (False, True):
            with suppress(StoreRefused):
                await server.retain(name, version, to, strict=strict, force=force)
        known = await server.locked(name, version)
        if known is None or not known.strict or known.until < until - 1:
            found.append(what)
            with suppress(StoreRefused):
                await server.retain(name, version, until)
    return found


async def _gone(server: S3Requests, name: str, version: str) -> list[str]:
    with suppress(StoreRefused):
        await server.put(name, _OTHER)
    if await server.get(name, version) != _DATA:
        return ["the server accepted a lock, and what was locked was lost when it was overwritten"]
    with suppress(StoreRefused):
        await server.remove(name)
    if await server.get(name, version) != _DATA:
        return ["the server accepted a lock, and what was locked was lost when its name was deleted"]
    with suppress(StoreRefused):
        await server.remove(name, version)
    if await server.get(name, version) != _DATA:
        return ["the server accepted a lock, and deleted what was locked all the same"]
    with suppress(StoreRefused):
        await server.remove(name, version, force=True)
    if await server.get(name, version) != _DATA:
        return ["the server deleted what was locked for who has the right to pass locks: these credentials have it"]
    return []


async def _clean(server: S3Requests) -> None:
    """What earlier probes left, as far as its locks have ended."""
    page, _, _ = await server.page(f"{PLACE}lock-", "", "")
    for stored in page:
        for version in (*stored.versions, *stored.markers):
            with suppress(StoreRefused):
                await server.remove(stored.name, version.id)
