"""Whether a server does what a vault stands on: tried on this very server, and believed on nobody's word."""

import asyncio
import contextlib
import secrets
import time

from understudy.errors import NotFound, StoreRefused, UnderstudyError
from understudy.store.protocol import Creation, ObjectStore

PLACE = ".probe/"
"""What is below it is no part of a vault."""

_RACERS = 4
_LEFT = 2 * 86400  # seconds after which a probe that is still there belongs to nobody
_USE_ANOTHER = "a vault cannot be kept there: use another server, or a newer version of this one"


async def probe(store: ObjectStore, server: str) -> bool:
    """Whether objects can be deleted with these credentials. Some 25 requests; where they can, nothing is left.

    `StoreRefused` with what the server did wrong; `StoreUnavailable` if it could not be tried to the end.
    """
    place = f"{PLACE}{int(time.time()):012x}-{secrets.token_hex(8)}"
    names = [f"{place}/a", f"{place}/b-c", f"{place}/b/d"]  # where a walk directory by directory turns the last two round
    try:
        await _creates_once(store, server, names[0])
        for name in names[1:]:
            await store.create(name, [b"x"])
        old = await _lists(store, server, place, names)
    except BaseException:
        with contextlib.suppress(UnderstudyError):
            await _cleaned(store, names)
        raise
    deletes = await _cleaned(store, names)
    if deletes:
        await _forgets(store, server, place, names[0])
        with contextlib.suppress(UnderstudyError):
            await _cleaned(store, old)
    return deletes


async def _creates_once(store: ObjectStore, server: str, name: str) -> None:
    contents = [f"racer {number} {secrets.token_hex(16)}".encode() for number in range(_RACERS)]
    outcomes = await asyncio.gather(*(store.create(name, [content]) for content in contents), return_exceptions=True)
    winners = [content for content, outcome in zip(contents, outcomes, strict=True) if outcome is Creation.CREATED]
    if len(winners) > 1:
        raise _lies(server, f"let {len(winners)} of {_RACERS} who created the same object at once believe that theirs is there")
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if not winners:
        raise failures[0] if failures else _lies(server, "said that an object exists which nobody had created")
    await _gives(store, server, name, winners[0])
    if await store.create(name, [b"one more"]) is Creation.CREATED:
        raise _lies(server, "answered a second create of the same object with success")
    await _gives(store, server, name, winners[0])


async def _gives(store: ObjectStore, server: str, name: str, content: bytes) -> None:
    """All of it, and a part, at once after it was stored."""
    try:
        whole, part, info = await asyncio.gather(store.get(name), store.get(name, 2, 5), store.head(name))
    except NotFound:
        raise _lies(server, "said of an object that was just created that there is none") from None
    if whole != content:
        raise _lies(server, "gave something else than the object that it had said was created")
    if part != content[2:7] or info is None or info.size != len(content):
        raise _lies(server, "gave another part of an object than was asked for, or said that it has another size")


async def _lists(store: ObjectStore, server: str, place: str, names: list[str]) -> list[str]:
    """The names of what earlier probes have left."""
    listed = [info.name async for info in store.list(PLACE)]
    mine = [name for name in listed if name.startswith(place)]
    if missing := set(names) - set(mine):
        raise _lies(server, f"listed {len(names) - len(missing)} of {len(names)} objects that were just created")
    if mine != names:
        raise _lies(server, "listed objects out of order")
    if [info.name async for info in store.list(f"{place}/", names[0])] != names[1:]:
        raise _lies(server, "listed something else than what comes after a name")
    return [name for name in listed if name < f"{PLACE}{int(time.time()) - _LEFT:012x}"]


async def _forgets(store: ObjectStore, server: str, place: str, name: str) -> None:
    if await store.head(name) is not None or [info async for info in store.list(f"{place}/")]:
        raise _lies(server, "still shows objects that it had said were deleted")


async def _cleaned(store: ObjectStore, names: list[str]) -> bool:
    """Whether they may be deleted."""
    outcomes = await asyncio.gather(*(store.delete(name) for name in names), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if any(isinstance(failure, StoreRefused) for failure in failures):
        return False
    if failures:
        raise failures[0]
    return True


def _lies(server: str, what: str) -> StoreRefused:
    return StoreRefused(f"the server at {server} {what}", hint=_USE_ANOTHER)
