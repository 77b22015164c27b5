"""A scripted server that does everything that the protocol forbids."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from understudy.nbd import wire
from understudy.nbd.client import NbdClient
from understudy.nbd.failure import NbdFailed

SIZE = 1 << 20
CONTEXT = "base:allocation"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def greeting(flags: int = 3) -> bytes:
    return wire.GREETING.pack(wire.NBD_MAGIC, wire.OPTION_MAGIC, flags)


def reply(option: int, kind: int, payload: bytes = b"", length: int | None = None) -> bytes:
    return wire.OPTION_REPLY.pack(wire.OPTION_REPLY_MAGIC, option, kind, len(payload) if length is None else length) + payload


def export(size: int = SIZE) -> bytes:
    return reply(7, 3, wire.EXPORT.pack(0, size, 0x6D))


def chunk(cookie: int, kind: int, payload: bytes = b"", flags: int = 1, length: int | None = None) -> bytes:
    return (
        wire.CHUNK.pack(wire.STRUCTURED_MAGIC, flags, kind, cookie)
        + struct.pack(">I", len(payload) if length is None else length)
        + payload
    )


def data(cookie: int, offset: int, payload: bytes, flags: int = 1) -> bytes:
    return chunk(cookie, 1, struct.pack(">Q", offset) + payload, flags)


async def shake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A correct handshake with structured replies and one context, number 7."""
    writer.write(greeting())
    await reader.readexactly(4)
    while True:
        _, option, length = wire.OPTION.unpack(await reader.readexactly(16))
        await reader.readexactly(length)
        if option == 10:
            writer.write(reply(10, 4, struct.pack(">I", 7) + CONTEXT.encode()))
        if option == 7:
            writer.write(export())
        writer.write(reply(option, 1))
        if option == 7:
            return


async def serve(tmp_path: Path, script: Script) -> tuple[asyncio.Server, str]:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    path = str(tmp_path / "hostile.sock")
    return await asyncio.start_unix_server(session, path), path


HANDSHAKES = {
    "not NBD": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not greet"),
    "oldstyle": (wire.GREETING.pack(wire.NBD_MAGIC, 0x420281861253, 0), "obsolete"),
    "not fixed": (greeting(0), "obsolete"),
    "nothing": (b"", "closed the connection"),
    "half a greeting": (greeting()[:9], "closed the connection"),
    "wrong magic": (greeting() + b"\0" * 20, "did not answer option"),
    "another option's answer": (greeting() + reply(7, 1), "did not answer option"),
    "a giant answer": (greeting() + reply(8, 1, length=1 << 31), "claims 2147483648 bytes"),
    "endless contexts": (greeting() + reply(8, 1) + reply(10, 4, struct.pack(">I", 1) + CONTEXT.encode()) * 99, "or twice"),
    "a foreign context": (greeting() + reply(8, 1) + reply(10, 4, struct.pack(">I", 1) + b"evil\x1b[2J"), "evil\\?"),
    "a refusal with words": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 0x80000002, b"go away"), "forbids it by policy .go away."),
    "endless information": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, b"\0\x09") * 99, "never ends"),
    "no size": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 1), "without telling its size"),
    "an impossible size": (greeting() + reply(8, 1) + reply(10, 1) + export((1 << 64) - 1), "impossible size"),
    "short information": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, b"\0"), "to the request for an export"),
    "wrong information": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, b"\0\0\0"), "has 3 bytes"),
    "block sizes": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, wire.BLOCK_SIZES.pack(3, 3, 4096, 65536)), "impossible: 3"),
    "no block size": (greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, wire.BLOCK_SIZES.pack(3, 0, 0, 0)), "impossible: 0"),
    "maximum below minimum": (
        greeting() + reply(8, 1) + reply(10, 1) + reply(7, 3, wire.BLOCK_SIZES.pack(3, 4096, 4096, 512)),
        "impossible: 4096",
    ),
}


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_handshake(tmp_path, name):
    sent, words = HANDSHAKES[name]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        if sent:
            await asyncio.sleep(0.05)

    server, path = await serve(tmp_path, script)
    async with server:
        with pytest.raises(NbdFailed, match=words):
            await NbdClient.connect_unix(path, contexts=[CONTEXT], timeout=5)


async def test_silence_in_the_handshake_is_bounded(tmp_path):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting())
        await reader.read()

    server, path = await serve(tmp_path, script)
    async with server:
        with pytest.raises(NbdFailed, match=r"no answer within 0\.1 s"):
            await NbdClient.connect_unix(path, timeout=0.1)


HALF = b"\xee" * 2048
READS = {
    "unknown magic": (b"\xff" * 20, "no reply"),
    "unknown cookie": (data(99, 0, HALF * 2), "not made"),
    "twice answered": (data(1, 0, HALF * 2) + data(1, 0, HALF * 2), None),
    "simple reply": (wire.SIMPLE.pack(wire.SIMPLE_MAGIC, 0, 1) + HALF * 2, "simple reply"),
    "before the range": (data(1, 0, HALF)[:20] + struct.pack(">Q", (1 << 64) - 2048) + HALF, "were asked for"),
    "beyond the range": (data(1, 2048, HALF * 2), "were asked for"),
    "far beyond": (data(1, 1 << 40, HALF), "were asked for"),
    "oversized": (chunk(1, 1, struct.pack(">Q", 0), length=0xFFFFFFFF), "were asked for"),
    "undersized": (chunk(1, 1, struct.pack(">Q", 0), length=3), "were asked for"),
    "no data": (data(1, 0, b""), "were asked for"),
    "overlap": (data(1, 0, HALF, 0) + data(1, 1024, HALF), "twice"),
    "the same again": (data(1, 0, HALF, 0) + data(1, 0, HALF), "twice"),
    "overlapping hole": (data(1, 0, HALF, 0) + chunk(1, 2, struct.pack(">QI", 0, 4096)), "twice"),
    "half": (data(1, 0, HALF), "left out part"),
    "nothing": (chunk(1, 0), "left out part"),
    "empty part that is not the last": (chunk(1, 0, flags=0), "not the last"),
    "empty part with payload": (chunk(1, 0, b"x"), "has a payload"),
    "a hole of another length": (chunk(1, 2, struct.pack(">QI", 0, 4096), length=13), "description of a hole"),
    "an empty hole": (chunk(1, 2, struct.pack(">QI", 0, 0)), "were asked for"),
    "extents": (chunk(1, 5, struct.pack(">III", 7, 4096, 0)), "extents in answer to a request to read"),
    "unknown kind": (chunk(1, 77, b"x"), "unknown kind"),
    "giant error": (chunk(1, 0x8001, struct.pack(">IH", 5, 6), length=1 << 30), "an error has"),
    "short error": (chunk(1, 0x8001, b"abcdef", length=2), "an error has"),
    "lying error": (chunk(1, 0x8001, struct.pack(">IH", 5, 900) + b"hi"), "longer than the error"),
    "lying error with offset": (chunk(1, 0x8002, struct.pack(">IH", 5, 2) + b"hi"), "longer than the error"),
    "endless errors": (chunk(1, 0x8001, struct.pack(">IH", 5, 0), flags=0) * 99, "Input/output error"),
    "crumbs": (b"".join(data(1, at, b"x", 0) for at in range(0, 4096, 2)), "parts"),
    "end of file in a header": (data(1, 0, HALF)[:7], "closed the connection"),
    "end of file in data": (data(1, 0, HALF * 2)[:-1], "closed the connection"),
    "end of file between parts": (data(1, 0, HALF, 0), "closed the connection"),
    "end of file": (b"", "closed the connection"),
    "an error": (chunk(1, 0x8001, struct.pack(">IH", 5, 4) + b"oops"), "Input/output error .oops."),
    "an error at an offset": (chunk(1, 0x8002, struct.pack(">IH", 5, 4) + b"oops" + b"\0" * 8), "Input/output error .oops."),
    "error zero": (chunk(1, 0x8001, struct.pack(">IH", 0, 0)), "Invalid argument"),
    "data after an error": (chunk(1, 0x8001, struct.pack(">IH", 5, 0), flags=0) + data(1, 0, HALF * 2), "Input/output error"),
}


@pytest.mark.parametrize("name", READS)
async def test_read(tmp_path, name):
    sent, words = READS[name]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        await reader.readexactly(wire.REQUEST.size)
        writer.write(sent)
        await writer.drain()

    server, path = await serve(tmp_path, script)
    async with server, await NbdClient.connect_unix(path, contexts=[CONTEXT], timeout=5) as client:
        guarded = np.zeros(3 * 4096, np.uint8)
        if words is None:
            await client.read_into(0, guarded[4096:8192])
        else:
            with pytest.raises(NbdFailed, match=words):
                await client.read_into(0, guarded[4096:8192])
        assert not guarded[:4096].any()
        assert not guarded[8192:].any()


def extents(context: int, *rows: int) -> bytes:
    return struct.pack(f">I{len(rows)}I", context, *rows)


STATUSES = {
    "another context": (chunk(1, 5, extents(8, 4096, 0)), "not asked for"),
    "twice": (chunk(1, 5, extents(7, 4096, 0), 0) + chunk(1, 5, extents(7, 4096, 0)), "or twice"),
    "none": (chunk(1, 0), "left out the extents"),
    "zero length": (chunk(1, 5, extents(7, 0, 0)), "empty extents"),
    "zero length among others": (chunk(1, 5, extents(7, 512, 0, 0, 1, 512, 0)), "empty extents"),
    "beyond the range": (chunk(1, 5, extents(7, SIZE, 0, 512, 1)), "outside"),
    "no extents": (chunk(1, 5, extents(7)), "list of extents has 4 bytes"),
    "half an extent": (chunk(1, 5, extents(7, 1, 1, 1)), "list of extents"),
    "giant": (chunk(1, 5, extents(7), length=0x80000004), "list of extents"),
    "data": (data(1, 0, HALF), "sent data in answer"),
    "simple": (wire.SIMPLE.pack(wire.SIMPLE_MAGIC, 0, 1), "simple reply"),
    "invalid": (chunk(1, 0x8001, struct.pack(">IH", 22, 0)), "Invalid argument"),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_block_status(tmp_path, name):
    sent, words = STATUSES[name]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        await reader.readexactly(wire.REQUEST.size)
        writer.write(sent)
        await writer.drain()

    server, path = await serve(tmp_path, script)
    async with server, await NbdClient.connect_unix(path, contexts=[CONTEXT], timeout=5) as client:
        with pytest.raises(NbdFailed, match=words):
            await anext(client.block_status(CONTEXT, 0, SIZE))


async def test_an_extent_that_reaches_beyond_is_cut(tmp_path):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        for cookie, rows in ((1, (8192, 1, 8192, 1)), (2, (0xFFFFFFFF, 3))):
            await reader.readexactly(wire.REQUEST.size)
            writer.write(chunk(cookie, 5, extents(7, *rows)))
        await reader.read()

    server, path = await serve(tmp_path, script)
    async with server, await NbdClient.connect_unix(path, contexts=[CONTEXT], timeout=5) as client:
        pieces = [rows.tolist() async for rows in client.block_status(CONTEXT, 0, SIZE)]
        assert pieces == [[[0, 16384, 1]], [[16384, SIZE - 16384, 3]]]


async def test_a_server_that_drips_is_given_up(tmp_path):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        await reader.readexactly(wire.REQUEST.size)
        for byte in data(1, 0, HALF * 2):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    server, path = await serve(tmp_path, script)
    async with server, await NbdClient.connect_unix(path, timeout=0.4) as client:
        with pytest.raises(NbdFailed, match=r"within 0\.4 s"):
            await client.read_into(0, np.zeros(4096, np.uint8))


async def test_one_callers_cancellation_leaves_anothers_data_alone(tmp_path):
    """Two reads into one buffer; the first is cancelled while its payload, then the second's, is on the wire."""
    step, begun = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        await reader.readexactly(2 * wire.REQUEST.size)
        answer = data(1, 0, HALF * 2) + data(2, 4096, HALF * 2)
        writer.write(answer[:1000])
        begun.set()
        await step.wait()
        step.clear()
        writer.write(answer[1000:6000])
        await step.wait()
        writer.write(answer[6000:])
        await reader.read()

    server, path = await serve(tmp_path, script)
    async with server, await NbdClient.connect_unix(path, timeout=5) as client:
        buffer = np.zeros(8192, np.uint8)
        first = asyncio.ensure_future(client.read_into(0, buffer[:4096]))
        second = asyncio.ensure_future(client.read_into(4096, buffer[4096:]))
        await begun.wait()
        await asyncio.sleep(0.05)
        assert buffer[:972].all()
        first.cancel()
        await asyncio.wait([first])
        buffer[:4096] = 0
        step.set()
        await asyncio.sleep(0.05)
        step.set()
        await second
        assert not buffer[:4096].any()
        assert (buffer[4096:] == 0xEE).all()
