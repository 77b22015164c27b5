"""What an object may be called, the same for every kind of store."""

import re

from understudy.errors import InvalidRequest

MAX_NAME = 1024
MAX_SEGMENT = 255

_NAME = re.compile(r"[a-z0-9._-]+(?:/[a-z0-9._-]+)*")
_SEGMENT = re.compile(r"[a-z0-9._-]+")


def is_segment(text: str) -> bool:
    """Whether `text` may stand between two slashes of a name. Anything else in a store's directory is not ours."""
    return len(text) <= MAX_SEGMENT and text not in (".", "..") and _SEGMENT.fullmatch(text) is not None


def check_name(name: str) -> str:
    """`name` itself, or `InvalidRequest`: slash-separated segments of `[a-z0-9._-]`, none empty, `.` or `..`."""
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None or not all(map(is_segment, name.split("/"))):
        raise InvalidRequest(
            f"{name[:80]!r} cannot name an object", hint="names are segments of a-z, 0-9, dot, underscore and hyphen between slashes"
        )
    return name
