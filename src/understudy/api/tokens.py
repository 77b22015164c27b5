"""Bearer tokens: only their hashes are kept, and a comparison takes as long whichever fits. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from understudy.engine import Value, checked_name
from understudy.errors import InvalidRequest

_LINE = re.compile(r"(\S+)\s+(viewer|operator|admin)\s+([0-9a-f]{64})")


class Token(Value, frozen=True):
    """`digest`: SHA-256 of the token, which should be 32 random bytes in any notation."""

    name: str
    role: Literal["viewer", "operator", "admin"]
    digest: str


def tokens_of(text: str) -> tuple[Token, ...]:
    """The lines `name role sha256-hex` of a file; empty lines and those that begin with # count for nothing."""
    found: dict[str, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise InvalidRequest(
                f"line {number} of the token file is not `name role sha256`",
                hint="the role is viewer, operator or admin, the hash that of `printf %s TOKEN | sha256sum`",
            )
        name, role, digest = match.groups()
        checked_name("token", name)
        if name in found or any(other.digest == digest for other in found.values()):
            raise InvalidRequest(
                f"line {number} of the token file names {name!r} or its hash again", hint="each token has a name of its own"
            )
        found[name] = msgspec.convert({"name": name, "role": role, "digest": digest}, Token)
    return tuple(found.values())


def token_named(tokens: Iterable[Token], secret: str) -> Token | None:
    """The token that `secret` is; all are looked at."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token
    return found
