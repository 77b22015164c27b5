"""Idempotency keys: said again, a request gets the answer that it got the first time, and does nothing."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from understudy.errors import Conflict, InvalidRequest

MOST = 1000
KEY_PATTERN = "^[!-~]{1,200}$"
_KEY = re.compile(KEY_PATTERN)


@dataclass(frozen=True)
class _Kept:
    digest: bytes
    answer: "asyncio.Future[bytes]"


class Remembered:
    """Answers of this daemon's run, the newest MOST of them. What failed is not kept: it may be tried again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()

    async def once(self, who: str, route: str, key: str, request: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """`request`: all that tells one request of this route from another."""
        place, digest = (who, route, key), hashlib.sha256(request).digest()
        kept = self._kept.get(place)
        if kept is not None:
            if kept.digest != digest:
                raise Conflict(f"the Idempotency-Key {key!r} was used for another request", hint="use a new key for each request")
            return await asyncio.shield(kept.answer)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._kept[place] = _Kept(digest, answer)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        try:
            made = await make()
        except BaseException as error:
            self._kept.pop(place, None)
            answer.set_exception(error if isinstance(error, Exception) else Conflict("the first request of this key was given up"))
            answer.exception()
            raise
        answer.set_result(made)
        return made


def checked_key(key: str | None) -> str:
    """The Idempotency-Key header's value, or nothing."""
    if key is None:
        return ""
    if _KEY.fullmatch(key) is None:
        raise InvalidRequest("the Idempotency-Key is not 1 to 200 visible ASCII characters", hint="a random UUID is a good one")
    return key
