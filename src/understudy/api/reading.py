"""What a request says, as values of the types that the table names; what does not fit is refused by the name of its field."""

import asyncio
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from aiohttp import web
from multidict import MultiMapping

from understudy.api.parts import IDENTIFIER_PATTERN, PATH_OR_NOTHING_PATTERN, PATH_PATTERN, WORDS_PATTERN
from understudy.api.queries import NAME_PATTERN
from understudy.api.refusals import NotJson, TooSlow
from understudy.engine import Value
from understudy.errors import InvalidRequest, NotFound

T = TypeVar("T", bound=Value)

BODY_SECONDS = 20.0
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FIELD = re.compile(r"(.*?) - at (`key` in )?`\$\.?(.*)`", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex (['\"])(.*)\1", re.DOTALL)
_WANTED = {
    NAME_PATTERN: "a name has 1 to 63 letters, digits, dots, dashes and underscores, and starts with a letter or digit",
    PATH_PATTERN: "an absolute path on the daemon's host is wanted",
    PATH_OR_NOTHING_PATTERN: "an absolute path on the daemon's host is wanted, or nothing",
    IDENTIFIER_PATTERN: "an id of 32 hexadecimal digits is wanted",
    WORDS_PATTERN: "printable characters in one line are wanted",
}


def path_of(parts: Mapping[str, str]) -> dict[str, str]:
    """The path's own parts. None of what they name is written otherwise, so that what is cannot be there."""
    for name, part in parts.items():
        if _PART.fullmatch(part) is None:
            raise NotFound(f"there is no {name} {part[:100]!r}")
    return dict(parts)


def query_of(kind: type[T], query: MultiMapping[str]) -> T:
    """Each parameter once, but those that are lists."""
    bases = {field.name: _base(field.type) for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name in dict.fromkeys(query):
        values = query.getall(name)
        if bases.get(name) is not tuple and len(values) > 1:
            raise InvalidRequest(f"the parameter {name[:100]!r} is given more than once")
        given[name] = values if bases.get(name) is tuple else _scalar(values[0], bases.get(name))
    return _converted(lambda: msgspec.convert(given, kind), "the query")


def _base(kind: Any) -> Any:
    """What a field is, without its bounds and that it may be left out."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    return get_origin(kind) or kind


def _scalar(text: str, base: Any) -> Any:
    """Numbers and truths as JSON writes them; what is none stays text, which the type then refuses."""
    if base is int and _INTEGER.fullmatch(text):
        return int(text)
    return text == "true" if base is bool and text in ("true", "false") else text


async def body_of(request: web.Request, kind: type[T] | None) -> T | None:
    """None where the route takes no body: nothing, or an object without fields."""
    if kind is not None and request.body_exists and request.content_type != "application/json":
        raise NotJson(f"the body is {request.content_type}", hint="send JSON, and `Content-Type: application/json`")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = await request.read()
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_SECONDS:.0f} s") from None
    if kind is None:
        if data.strip() not in (b"", b"{}"):
            raise InvalidRequest("this takes no body, and was given one", hint="GET /v1/openapi.json describes what is taken")
        return None
    return _converted(lambda: _decoded(data or b"{}", kind), "the body")


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
        # To JSON 5.0 is an integer.
        return msgspec.convert(_whole(msgspec.json.decode(data)), kind)


def _whole(part: Any) -> Any:
    if isinstance(part, float) and part.is_integer() and abs(part) < 2**53:
        return int(part)
    if isinstance(part, dict):
        return {name: _whole(item) for name, item in part.items()}
    return [_whole(item) for item in part] if isinstance(part, list) else part


def _told(reason: str) -> str:
    """A regular expression tells a person little."""
    match = _PATTERN.fullmatch(reason)
    return _WANTED.get(match[2].replace("\\\\", "\\"), reason) if match else reason


def _converted(convert: Callable[[], T], what: str) -> T:
    try:
        return convert()
    except msgspec.ValidationError as error:
        match = _FIELD.fullmatch(str(error))
        reason, key, field = match.groups() if match else (str(error), None, "")
        where = f"{'a name in ' if key else ''}{field} in {what}" if field else what
        raise InvalidRequest(f"{where}: {_told(reason)}", hint="GET /v1/openapi.json describes what is taken") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from None
