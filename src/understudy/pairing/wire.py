"""What is said between a site and its peers: HTTP/1.1 with bodies of bytes or JSON. Names of objects are as in the store Protocol."""

from understudy.engine import Failure, Value

ROOT = "/peer/1"
AUTHORITY = f"{ROOT}/authority"
REGISTER = f"{ROOT}/register"
ABOUT = f"{ROOT}/about"
OBJECTS = f"{ROOT}/objects/"
SIZES = f"{ROOT}/sizes/"
UPLOADS = f"{ROOT}/uploads/"
LIST = f"{ROOT}/list"

PART = 4 << 20
"""Bytes of an object that go over one connection at a time, at most."""
LEAST_PART = 1 << 20
"""Bytes that are worth a request of their own."""
PAGE = 1000
MOST_TEXT = 1 << 16
"""Bytes of a body of JSON that is sent to a site."""
MOST_ANSWER = 2 << 20
"""Bytes of one that comes from a site: a page of the longest names has half as many."""

SIZE = "Understudy-Size"
"""The whole object's size, with a part of one that was asked for without its end."""
MAINTAINS = "Understudy-Maintains"
"""With each answer: 1 if this peer may delete."""
BILLED = "Understudy-Billed"
"""With each answer: 1 if the site pays for each request that it passes on."""


def part_of(size: int, lanes: int) -> int:
    """Bytes that each request takes of so many, so that all connections have their part."""
    return min(max(-(-size // lanes), LEAST_PART), PART)


class Refusal(Value, frozen=True):
    """The body of every answer that is no success."""

    error: Failure


class Registration(Value, frozen=True):
    """What a joining site sends: `request` is PEM."""

    peer: str
    secret: str
    request: str


class Registered(Value, frozen=True):
    """`certificate` is PEM; `name` is what the serving site calls the peer."""

    certificate: str
    name: str


class About(Value, frozen=True):
    """Bytes: `largest` object that is taken."""

    name: str
    largest: int


class Created(Value, frozen=True):
    """`creation`: as the store's; None while bytes are missing."""

    creation: str | None = None


class Upload(Value, frozen=True):
    """Where an upload stands: (begin, end) of what is missing, in bytes, and its outcome once it has one."""

    missing: tuple[tuple[int, int], ...]
    creation: str | None = None


class Size(Value, frozen=True):
    """None: there is no such object."""

    size: int | None


class Deleted(Value, frozen=True):
    deleted: bool


class Page(Value, frozen=True):
    items: tuple[tuple[str, int], ...]
    more: bool
