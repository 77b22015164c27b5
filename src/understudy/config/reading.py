"""Reading single values, with complaints that name the key and what is allowed there."""

from collections.abc import Callable
from typing import TypeVar

from understudy.config.file import ALLOWED
from understudy.engine.units import bytes_of, seconds_of
from understudy.errors import InvalidRequest

T = TypeVar("T")


def hint_of(key: str) -> str:
    allowed = ALLOWED.get(key)
    return f"allowed: {allowed}" if allowed else ""


def of(key: str, read: Callable[[], T]) -> T:
    """`read`, whose complaint then names the key."""
    try:
        return read()
    except InvalidRequest as error:
        raise InvalidRequest(f"{key}: {error.message}", hint=hint_of(key) or error.hint) from None


def refused(key: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{key}: {why}", hint=hint_of(key))


def seconds(key: str, value: str | float, *, zero: bool = False) -> float:
    return of(key, lambda: seconds_of(str(value), zero=zero))


def number_of_bytes(key: str, value: str | int) -> int:
    return of(key, lambda: bytes_of(str(value)))


def absolute(key: str, path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise refused(key, f"{path!r} is no absolute path")
    return path
