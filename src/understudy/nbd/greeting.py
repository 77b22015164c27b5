"""A server's side of the fixed-newstyle handshake, without I/O: a generator that yields the buffers to be filled next.

Nothing of what a client claims is taken for granted: lengths are bounded before anything is read, names and lists must fill what they
claim to the last byte.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from understudy.nbd import wire
from understudy.nbd.failure import ClientBroke
from understudy.nbd.wire import BASE_ALLOCATION, Flags, Info, Option, Reply

MAX_OPTION = 16 << 10
"""Bytes in one option; the longest that makes sense names an export and some contexts, of at most 4096 bytes each."""
MAX_OPTIONS = 128
"""Options in one handshake; real clients send fewer than ten, and a list of exports one for each."""
MAX_QUERIES = 64
ALLOCATION = 1
"""Our number for `base:allocation`, the one meta context that we know."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One export as the handshake tells of it."""

    size: int
    flags: Flags
    description: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a client and we agreed on."""

    name: str
    structured: bool
    allocation: bool
    """Whether `base:allocation` may be asked for."""


class StartTls:
    """Yielded in place of a buffer: the bytes sent so far must go out in the clear, and everything after them inside TLS."""


Wants: TypeAlias = memoryview | StartTls
Send: TypeAlias = Callable[[bytes], None]


def greet(offers: Mapping[str, Offer], send: Send, *, tls: bool = False) -> Generator[Wants, None, Opened | None]:
    """Settle which export is opened, and how; None if the client left in an orderly way. Raises `ClientBroke`.

    `tls`: nothing is told before the client has asked for TLS. The empty name means the only export, where there is one.
    """
    send(wire.GREETING.pack(wire.NBD_MAGIC, wire.OPTION_MAGIC, wire.FIXED_NEWSTYLE | wire.NO_ZEROES))
    flags = wire.LENGTH.unpack((yield from _take(4)))[0]
    if flags & ~(wire.FIXED_NEWSTYLE | wire.NO_ZEROES):
        raise ClientBroke(f"it set flags that nobody knows ({flags:#x})")
    greeting = _Greeting(offers, send)
    clear = tls
    for _ in range(MAX_OPTIONS):
        magic, number, length = wire.OPTION.unpack((yield from _take(wire.OPTION.size)))
        if magic != wire.OPTION_MAGIC:
            raise ClientBroke("it sent something that is no option")
        if length > MAX_OPTION:
            raise ClientBroke(f"its option {number} claims {length} bytes")
        payload = yield from _take(length)
        if number == Option.ABORT:
            greeting.reply(number, Reply.ACK)
            return None
        if number == Option.STARTTLS and clear and not payload:
            greeting.reply(number, Reply.ACK)
            yield StartTls()
            greeting, clear = _Greeting(offers, send), False
        elif clear and number == Option.EXPORT_NAME:
            raise ClientBroke("it asked for an export without TLS, which is required")
        elif clear:
            greeting.reply(number, Reply.TLS_REQUIRED)
        elif number == Option.EXPORT_NAME:
            return greeting.old_style(payload, zeroes=not flags & wire.NO_ZEROES)
        elif (opened := greeting.answer(number, payload)) is not None:
            return opened
    raise ClientBroke(f"it sent more than {MAX_OPTIONS} options")


class _Malformed(Exception):
    """An option's payload is not what the option is made of: it is refused, the handshake goes on."""


class _Greeting:
    """What has been settled so far."""

    def __init__(self, offers: Mapping[str, Offer], send: Send) -> None:
        self._offers = offers
        self._send = send
        self._structured = False
        self._context_of: str | None = None

    def reply(self, number: int, kind: Reply, payload: bytes = b"") -> None:
        self._send(wire.OPTION_REPLY.pack(wire.OPTION_REPLY_MAGIC, number, kind, len(payload)) + payload)

    def answer(self, number: int, payload: bytes) -> Opened | None:
        """Any option but those that end or change the connection; what was opened if it opens an export."""
        try:
            match number:
                case Option.LIST:
                    self._list(payload)
                case Option.STRUCTURED_REPLY:
                    if payload:
                        raise _Malformed
                    self._structured = True
                    self.reply(number, Reply.ACK)
                case Option.LIST_META_CONTEXT | Option.SET_META_CONTEXT:
                    self._contexts(number, payload)
                case Option.INFO | Option.GO:
                    return self._export(number, payload)
                case _:
                    self.reply(number, Reply.UNSUPPORTED)
        except _Malformed:
            self.reply(number, Reply.INVALID)
        return None

    def old_style(self, payload: bytes, *, zeroes: bool) -> Opened:
        name = self._known(_text(payload))
        if name is None:
            raise ClientBroke("it asked for an export that there is not, in the way that has no answer for it")
        offer = self._offers[name]
        self._send(wire.OLD_EXPORT.pack(offer.size, offer.flags) + (bytes(124) if zeroes else b""))
        return self._opened(name)

    def _list(self, payload: bytes) -> None:
        if payload:
            raise _Malformed
        for name, offer in self._offers.items():
            self.reply(Option.LIST, Reply.SERVER, wire.string(name) + offer.description.encode())
        self.reply(Option.LIST, Reply.ACK)

    def _contexts(self, number: int, payload: bytes) -> None:
        fields = _Fields(payload)
        asked = fields.string()
        queries = [fields.string() for _ in range(fields.number(4, MAX_QUERIES))]
        fields.end()
        if not self._structured:
            raise _Malformed
        name = self._known(asked)
        if name is None:
            self.reply(number, Reply.UNKNOWN)
            return
        listing = number == Option.LIST_META_CONTEXT
        wanted = BASE_ALLOCATION in queries or (listing and (not queries or "base:" in queries))
        if not listing:
            self._context_of = name if wanted else None
        if wanted:
            self.reply(number, Reply.META_CONTEXT, (0 if listing else ALLOCATION).to_bytes(4, "big") + BASE_ALLOCATION.encode())
        self.reply(number, Reply.ACK)

    def _export(self, number: int, payload: bytes) -> Opened | None:
        fields = _Fields(payload)
        asked = fields.string()
        about = [fields.number(2) for _ in range(fields.number(2))]
        fields.end()
        name = self._known(asked)
        if name is None:
            self.reply(number, Reply.UNKNOWN)
            return None
        offer = self._offers[name]
        self.reply(number, Reply.INFO, wire.EXPORT.pack(Info.EXPORT, offer.size, offer.flags))
        if Info.NAME in about:
            self.reply(number, Reply.INFO, Info.NAME.to_bytes(2, "big") + name.encode())
        if Info.DESCRIPTION in about and offer.description:
            self.reply(number, Reply.INFO, Info.DESCRIPTION.to_bytes(2, "big") + offer.description.encode())
        # Any byte may be asked for; whole blocks cost least.
        self.reply(number, Reply.INFO, wire.BLOCK_SIZES.pack(Info.BLOCK_SIZE, 1, 4096, wire.MAX_PAYLOAD))
        self.reply(number, Reply.ACK)
        return self._opened(name) if number == Option.GO else None

    def _opened(self, name: str) -> Opened:
        return Opened(name, self._structured, self._structured and self._context_of == name)

    def _known(self, name: str) -> str | None:
        if not name and len(self._offers) == 1:
            return next(iter(self._offers))
        return name if name in self._offers else None


class _Fields:
    """A payload, field by field."""

    def __init__(self, payload: bytes) -> None:
        self._rest = payload

    def number(self, size: int, most: int | None = None) -> int:
        value = int.from_bytes(self._bytes(size), "big")
        if most is not None and value > most:
            raise _Malformed
        return value

    def string(self) -> str:
        return _text(self._bytes(self.number(4, wire.MAX_STRING)))

    def end(self) -> None:
        if self._rest:
            raise _Malformed

    def _bytes(self, size: int) -> bytes:
        if size > len(self._rest):
            raise _Malformed
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _text(raw: bytes) -> str:
    """A name in no encoding is just one that nobody knows."""
    return raw.decode("utf-8", "replace")


def _take(count: int) -> Generator[Wants, None, bytes]:
    buffer = bytearray(count)
    if count:
        yield memoryview(buffer)
    return bytes(buffer)
