"""A registration key: one printable string that lets one site in, once."""

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

import msgspec

from understudy.errors import InvalidRequest
from understudy.pairing.address import Address, address_of

VALID = 5 * 86400.0
"""Seconds for which a key that was not used may be."""

_PREFIX = "understudy-1-"
_SUM = 4
_GARBLED = "copy it whole, as `understudy peer invite` printed it"


class RegistrationKey(NamedTuple):
    """`pin`: SHA-256 of the serving site's authority, in hex; `peer`: what the site calls the invited one; `secret`: known to both."""

    address: Address
    pin: str
    peer: str
    secret: str

    def __str__(self) -> str:
        body = msgspec.json.encode((str(self.address), self.pin, self.peer, self.secret))
        return _PREFIX + base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:_SUM] + body).decode().rstrip("=")

    def __repr__(self) -> str:
        return f"RegistrationKey({self.address}, peer {self.peer})"


def key_of(text: str) -> RegistrationKey:
    """`InvalidRequest` for what is none, or was garbled on its way."""
    stripped = "".join(text.split())
    if not stripped.startswith(_PREFIX):
        raise InvalidRequest("this is no registration key", hint=f"it begins with {_PREFIX}; {_GARBLED}")
    packed = stripped.removeprefix(_PREFIX)
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        said, body = data[:_SUM], data[_SUM:]
        if not hmac.compare_digest(said, hashlib.sha256(body).digest()[:_SUM]):
            raise InvalidRequest("this registration key was garbled on its way", hint=_GARBLED)
        address, pin, peer, secret = msgspec.json.decode(body, type=tuple[str, str, str, str])
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("this registration key was garbled on its way", hint=_GARBLED) from error
    if not re.fullmatch(r"[0-9a-f]{64}", pin) or not is_peer_id(peer):
        raise InvalidRequest("this registration key was garbled on its way", hint=_GARBLED)
    return RegistrationKey(address_of(address), pin, peer, secret)


def is_peer_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def hashed(secret: str) -> str:
    """What a serving site keeps of a secret of 32 random bytes."""
    return hashlib.sha256(b"understudy registration " + secret.encode()).hexdigest()
