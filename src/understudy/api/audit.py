"""What is remembered of a request: everything but secrets. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from understudy.engine import Passphrase, Value


def remembered(path: Mapping[str, str], query: Value | None, body: Value | None) -> dict[str, Any]:
    """Parts of the path, and what of query and body is not as it is by default."""
    data: dict[str, Any] = dict(path)
    for part in (query, body):
        if part is not None:
            data |= _told(part)
    return data


def _told(value: Value) -> dict[str, Any]:
    """Fields by name. A passphrase is not among what may be told, wherever it stands."""
    told = {}
    for field in value.__struct_fields__:
        item = getattr(value, field)
        if isinstance(item, Passphrase):
            item = {"kind": "passphrase"}
        elif isinstance(item, Value):
            tag = {"kind": item.__struct_config__.tag} if item.__struct_config__.tag else {}
            item = tag | _told(item)
        told[field] = msgspec.to_builtins(item)
    return told
