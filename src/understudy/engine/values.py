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

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def checked_name(kind: str, name: str) -> str:
    """`name` if it may name a machine, disk or key (it becomes part of file names); else InvalidRequest."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"{name!r} cannot name a {kind}",
            hint="a name has 1 to 63 letters, digits, dots, dashes and underscores, and starts with a letter or digit",
        )
    return name


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of the facade."""
