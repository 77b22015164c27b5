"""How NBD fails, in words for an operator."""

import errno
import os

from understudy.errors import SourceUnavailable


class NbdFailed(SourceUnavailable):
    """A server refused, broke the protocol, fell silent or went away.

    `errno` is the server's error for one request (the connection goes on), 0 where the connection itself is over.
    """

    def __init__(self, message: str, *, hint: str = "", errno: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.errno = errno


def violation(what: str) -> NbdFailed:
    """The server sent what the protocol forbids: nothing that it says can be used any more."""
    return NbdFailed(f"the NBD server broke the protocol: {what}", hint="the connection was closed; nothing that it sent is used")


def refused(what: str, number: int, said: str) -> NbdFailed:
    """The server answered one request with an error."""
    known = number or errno.EINVAL  # an error chunk that carries no error is still one
    return NbdFailed(f"the NBD server failed to {what}: {os.strerror(known)}" + (f" ({said})" if said else ""), errno=known)


def printable(raw: bytes | bytearray | memoryview) -> str:
    """A server's text, safe for a terminal and a log line."""
    text = bytes(raw[:200]).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


class ClientBroke(Exception):
    """A client sent what the protocol forbids, or fell silent: its connection ends, and nothing else does."""
