"""Options of the form NAME=VALUE, given any number of times."""

from collections.abc import Sequence

from understudy.errors import InvalidRequest


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """In the order given; InvalidRequest where a half is missing or a name comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise InvalidRequest(f"{option} {text!r} is not NAME=VALUE", hint=f"write it as {option} vda=…, once for each disk")
        if name in found:
            raise InvalidRequest(f"{option} names {name!r} twice")
        found[name] = value
    return found
