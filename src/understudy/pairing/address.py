"""Where a serving site is reached."""

import re
from typing import NamedTuple

from understudy.errors import InvalidRequest

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")


class Address(NamedTuple):
    """`host`: a name or a number, without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """`host:port` or `[address]:port`; `InvalidRequest` if it is none."""
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdecimal()) or len(port) > 5 or not 0 < int(port) < 1 << 16:
        raise InvalidRequest(f"{text[:80]!r} is no address and port", hint="write it as vault.example.net:7420")
    return Address(host.strip("[]"), int(port))
