"""The fixed-newstyle handshake as a generator: it yields buffers to be filled to the last byte and hands what it says to `send`."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from understudy.nbd import wire
from understudy.nbd.failure import NbdFailed, printable, violation
from understudy.nbd.wire import Flags, Info, Option, Reply

MAX_REPLIES = 64
"""Replies to one option before the server is taken to be malicious; real ones send fewer than ten."""

REFUSALS = {
    wire.ERROR_BIT | 1: "does not support this option",
    wire.ERROR_BIT | 2: "forbids it by policy",
    wire.ERROR_BIT | 3: "found the request invalid",
    wire.ERROR_BIT | 4: "does not support it on its platform",
    wire.ERROR_BIT | 5: "requires TLS",
    wire.ERROR_BIT | 6: "has no such export",
    wire.ERROR_BIT | 7: "is shutting down",
    wire.ERROR_BIT | 8: "requires block sizes to be negotiated",
    wire.ERROR_BIT | 9: "found the request too big",
}


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """What requests must be multiples of, should be, and may not exceed (bytes)."""

    minimum: int = 1
    preferred: int = 4096
    maximum: int = wire.MAX_PAYLOAD


@dataclass(frozen=True, slots=True)
class Export:
    """What the handshake settled."""

    size: int
    flags: Flags
    block_size: BlockSizes
    structured: bool
    contexts: dict[str, int]
    """The meta contexts that the server agreed to, with its ids for them."""


def negotiate(export: str, contexts: Sequence[str], send: Callable[[bytes], None]) -> Generator[memoryview, None, Export]:
    """Settle structured replies, meta contexts and the export. Raises `NbdFailed`."""
    if max(len(text.encode()) for text in (export, *contexts)) > wire.MAX_STRING:
        raise NbdFailed("the name of an NBD export or meta context is longer than 4096 bytes")
    greeting = yield from _take(wire.GREETING.size)
    magic, kind, flags = wire.GREETING.unpack(greeting)
    if magic != wire.NBD_MAGIC:
        raise violation("it does not greet as an NBD server")
    if kind != wire.OPTION_MAGIC or not flags & wire.FIXED_NEWSTYLE:
        raise NbdFailed("the NBD server speaks only an obsolete form of the protocol (not fixed-newstyle)")
    send(wire.LENGTH.pack(flags & (wire.FIXED_NEWSTYLE | wire.NO_ZEROES)))

    structured = yield from _structured(send)
    agreed: dict[str, int] = {}
    if structured and contexts:
        agreed = yield from _contexts(export, contexts, send)
    size, export_flags, sizes = yield from _go(export, send)
    return Export(size, export_flags, sizes, structured, agreed)


def _structured(send: Callable[[bytes], None]) -> Generator[memoryview, None, bool]:
    send(wire.option(Option.STRUCTURED_REPLY))
    kind, payload = yield from _reply(Option.STRUCTURED_REPLY)
    if kind & wire.ERROR_BIT:
        return False
    if kind != Reply.ACK or payload:
        raise violation(f"it answered {kind} to the option for structured replies")
    return True


def _contexts(export: str, contexts: Sequence[str], send: Callable[[bytes], None]) -> Generator[memoryview, None, dict[str, int]]:
    queries = b"".join(wire.string(context) for context in contexts)
    send(wire.option(Option.SET_META_CONTEXT, wire.string(export) + wire.LENGTH.pack(len(contexts)) + queries))
    agreed: dict[str, int] = {}
    for _ in range(MAX_REPLIES):
        kind, payload = yield from _reply(Option.SET_META_CONTEXT)
        if kind == Reply.ACK:
            return agreed
        if kind & wire.ERROR_BIT:
            if kind == wire.ERROR_BIT | 1:
                return {}
            raise _refusal(f"agree to meta contexts of the export '{export}'", kind, payload)
        if kind != Reply.META_CONTEXT or len(payload) < 5:
            raise violation(f"it answered {kind} ({len(payload)} bytes) to a list of meta contexts")
        number = int.from_bytes(payload[:4], "big")
        name = bytes(payload[4:]).decode("utf-8", "replace")
        if name not in contexts or name in agreed or number in agreed.values():
            raise violation(f"it offered a meta context that was not asked for, or twice: '{printable(payload[4:])}'")
        agreed[name] = number
    raise violation("it never ends its list of meta contexts")


def _go(export: str, send: Callable[[bytes], None]) -> Generator[memoryview, None, tuple[int, Flags, BlockSizes]]:
    send(wire.option(Option.GO, wire.string(export) + b"\0\1" + Info.BLOCK_SIZE.to_bytes(2, "big")))
    described: tuple[int, Flags] | None = None
    sizes = BlockSizes()
    for _ in range(MAX_REPLIES):
        kind, payload = yield from _reply(Option.GO)
        if kind == Reply.ACK:
            if described is None:
                raise violation("it opened the export without telling its size")
            return (*described, sizes)
        if kind & wire.ERROR_BIT:
            raise _refusal(f"open the export '{export}'", kind, payload)
        if kind != Reply.INFO or len(payload) < 2:
            raise violation(f"it answered {kind} ({len(payload)} bytes) to the request for an export")
        about = int.from_bytes(payload[:2], "big")
        if about == Info.EXPORT:
            described = _described(payload)
        elif about == Info.BLOCK_SIZE:
            sizes = _block_sizes(payload)
    raise violation("it never ends its description of the export")


def _described(payload: bytearray) -> tuple[int, Flags]:
    if len(payload) != wire.EXPORT.size:
        raise violation(f"its description of the export has {len(payload)} bytes")
    _, size, flags = wire.EXPORT.unpack(payload)
    if size >= 1 << 63:
        raise violation(f"its export has an impossible size of {size} bytes")
    return size, Flags(flags)


def _block_sizes(payload: bytearray) -> BlockSizes:
    if len(payload) != wire.BLOCK_SIZES.size:
        raise violation(f"its block sizes have {len(payload)} bytes")
    _, minimum, preferred, maximum = wire.BLOCK_SIZES.unpack(payload)
    if minimum == 0 or minimum & (minimum - 1) or minimum > 65536 or preferred < minimum or maximum < minimum:
        raise violation(f"its block sizes are impossible: {minimum}, {preferred}, {maximum}")
    return BlockSizes(minimum, preferred, min(maximum, wire.MAX_PAYLOAD) // minimum * minimum)


def _reply(asked: Option) -> Generator[memoryview, None, tuple[int, bytearray]]:
    head = yield from _take(wire.OPTION_REPLY.size)
    magic, number, kind, length = wire.OPTION_REPLY.unpack(head)
    if magic != wire.OPTION_REPLY_MAGIC or number != asked:
        raise violation(f"it did not answer option {int(asked)}")
    if length > 2 * wire.MAX_STRING:
        raise violation(f"its answer to option {int(asked)} claims {length} bytes")
    payload = yield from _take(length)
    return kind, payload


def _refusal(what: str, kind: int, payload: bytearray) -> NbdFailed:
    words = REFUSALS.get(kind, f"answered error {kind & ~wire.ERROR_BIT}")
    said = printable(payload)
    return NbdFailed(f"the NBD server cannot {what}: it {words}" + (f" ({said})" if said else ""))


def _take(count: int) -> Generator[memoryview, None, bytearray]:
    buffer = bytearray(count)
    if count:
        yield memoryview(buffer)
    return buffer
