"""What all values of the facade share."""

import re
from typing import Literal, TypeAlias

import msgspec

from understudy.errors import InvalidRequest

Role: TypeAlias = Literal["source", "operator"]
Level: TypeAlias = Literal["scrub", "frames", "digest"]
SeedKind: TypeAlias = Literal["point", "initial"]
ImageFormat: TypeAlias = Literal["raw", "qcow2"]
FreezeMethod: TypeAlias = Literal["auto", "fleecing", "break-snapshot", "push"]

_MOST_WORDS = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def checked_name(kind: str, name: str) -> str:
    """`name` if it may name a machine, disk or key (it becomes part of file names); else InvalidRequest."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"{name[:80]!r} cannot name a {kind}",
            hint="a name has 1 to 63 letters, digits, dots, dashes and underscores, and starts with a letter or digit",
        )
    return name


def checked_words(what: str, text: str) -> str:
    """`text` if it can be written into a record and shown on a terminal, in one line; else InvalidRequest."""
    if not text.strip() or len(text) > _MOST_WORDS or not text.isprintable():
        raise InvalidRequest(f"{text[:80]!r} is no {what}", hint=f"write 1 to {_MOST_WORDS} printable characters, in one line")
    return text


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of the facade."""
