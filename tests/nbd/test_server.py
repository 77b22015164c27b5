"""The server against real tools, many clients at once, and everything that the protocol forbids."""

import asyncio
import errno
import gc
import json
import random
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from understudy.errors import IntegrityError
from understudy.model import Bytes, BytesLike
from understudy.nbd import server as serving
from understudy.nbd import wire
from understudy.nbd.asked import Asked
from understudy.nbd.client import NbdClient
from understudy.nbd.failure import ClientBroke, NbdFailed
from understudy.nbd.greeting import Offer, StartTls, greet
from understudy.nbd.server import Export, NbdServer
from understudy.nbd.wire import Flags

SIZE = (3 << 20) + 700
ROTTEN = 1 << 20
"""Bytes from here to twice here cannot be read where a device is rotten."""


class Memory:
    """A device whose second mebibyte is a hole."""

    def __init__(self, *, writable: bool = True, rotten: bool = False) -> None:
        self.size = SIZE
        self.writable = writable
        self.rotten = rotten
        self.flushed = 0
        self.bytes = np.frombuffer(random.Random(4).randbytes(SIZE), dtype=np.uint8).copy()
        self.bytes[ROTTEN : 2 * ROTTEN] = 0

    async def read(self, offset: int, length: int) -> Bytes | None:
        if self.rotten and offset < 2 * ROTTEN and offset + length > ROTTEN:
            raise IntegrityError("pack 00: frame 7: does not open")
        await asyncio.sleep(0)
        data = self.bytes[offset : offset + length].copy()
        return data if data.any() else None

    async def status(self, offset: int, length: int, most: int) -> NDArray[np.int64]:
        edges = np.clip([offset, ROTTEN, 2 * ROTTEN, offset + length], offset, offset + length)
        rows = np.stack([np.diff(edges), [0, 3, 0]], axis=1)
        return rows[rows[:, 0] > 0][:most]

    async def write(self, offset: int, data: BytesLike) -> None:
        if offset == 4096 and len(data) == 1:
            raise OSError(errno.ENOSPC, "full")
        self.bytes[offset : offset + len(data)] = np.frombuffer(data, dtype=np.uint8)

    async def write_zeroes(self, offset: int, length: int, *, punch: bool) -> None:
        self.bytes[offset : offset + length] = 0

    async def trim(self, offset: int, length: int) -> None:
        self.bytes[offset : offset + length] = 0

    async def flush(self) -> None:
        self.flushed += 1


@asynccontextmanager
async def served(directory: Path, *devices: Memory) -> AsyncIterator[str]:
    server = NbdServer({f"disk{number}": Export(device, "a disk") for number, device in enumerate(devices)})
    path = directory / "s"
    server.listen_unix(path)
    try:
        yield str(path)
    finally:
        await server.close()
    assert not path.exists()


async def tool(*words: str) -> str:
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


async def test_tools_read_what_is_there(tmp_path: Path) -> None:
    device = Memory(writable=False)
    async with served(tmp_path, device, Memory()) as path:
        uri = f"nbd+unix:///disk0?socket={path}"
        assert '"disk0"' in (listed := await tool("nbdinfo", "--list", "--json", f"nbd+unix:///?socket={path}"))
        assert '"disk1"' in listed
        rows = json.loads(await tool("nbdinfo", "--map", "--json", uri))
        assert [(row["offset"], row["length"], row["type"]) for row in rows] == [
            (0, ROTTEN, 0),
            (ROTTEN, ROTTEN, 3),
            (2 * ROTTEN, SIZE - 2 * ROTTEN, 0),
        ]
        await tool("nbdcopy", uri, str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes() == device.bytes.tobytes()
        await tool("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, str(tmp_path / "copy"))
        async with await NbdClient.connect_unix(path, "disk0") as client:
            assert client.flags & Flags.READ_ONLY
    assert device.flushed <= 2


async def test_tools_write(tmp_path: Path) -> None:
    device = Memory()
    async with served(tmp_path, device) as path:
        uri = f"nbd+unix:///?socket={path}"
        words = ("write -P 17 1 4097", "write -f -P 18 1M 1M", "write -z 0 512", "discard 3M 512", "flush")
        await tool("qemu-io", "-f", "raw", *(word for words_ in words for word in ("-c", words_)), uri)
    assert not device.bytes[:512].any()
    assert (device.bytes[512:4098] == 17).all()
    assert (device.bytes[1 << 20 : 2 << 20] == 18).all()
    assert device.flushed >= 2


async def test_many_clients_at_once(tmp_path: Path) -> None:
    device = Memory()

    async def one(seed: int) -> None:
        chance = random.Random(seed)
        async with await NbdClient.connect_unix(path, "disk0", [wire.BASE_ALLOCATION]) as client:
            for _ in range(8):
                offset = chance.randrange(SIZE)
                buffer = np.empty(chance.randrange(SIZE - offset) + 1, dtype=np.uint8)
                await client.read_into(offset, buffer)
                assert np.array_equal(buffer, device.bytes[offset : offset + len(buffer)])

    async with served(tmp_path, device) as path:
        await asyncio.gather(*(one(seed) for seed in range(12)))


async def test_what_cannot_be_read_is_an_error_and_the_rest_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    device = Memory(rotten=True)
    async with served(tmp_path, device) as path, await NbdClient.connect_unix(path, "disk0") as client:
        buffer = np.empty(SIZE, dtype=np.uint8)
        with pytest.raises(NbdFailed, match="frame 7") as raised:
            await client.read_into(0, buffer)
        assert raised.value.errno == errno.EIO
        await client.read_into(0, buffer[:ROTTEN])
        assert np.array_equal(buffer[:ROTTEN], device.bytes[:ROTTEN])
        with pytest.raises(NbdFailed) as full:
            await client.write(4096, b"x")
        assert full.value.errno == errno.ENOSPC
    assert "frame 7" in caplog.text


@pytest.mark.parametrize("structured", [False, True])
async def test_answers_to_the_letter(tmp_path: Path, structured: bool) -> None:
    """Every request that is refused is refused by the error of the protocol, and the connection goes on."""
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with served(tmp_path, Memory(writable=False)) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.readexactly(wire.GREETING.size)
        writer.write(wire.LENGTH.pack(3) + (wire.option(wire.Option.STRUCTURED_REPLY) if structured else b""))
        if structured:
            assert (await reader.readexactly(20))[12:16] == wire.LENGTH.pack(wire.Reply.ACK)
        writer.write(wire.option(wire.Option.EXPORT_NAME, b"disk0"))
        assert wire.OLD_EXPORT.unpack(await reader.readexactly(10))[0] == SIZE
        for command, flags, offset, length, error in (
            (wire.Command.READ, 0, SIZE, 1, errno.EINVAL),
            (wire.Command.READ, 0, 2**64 - 1, 2, errno.EINVAL),
            (wire.Command.READ, 0, 0, wire.MAX_PAYLOAD + 1, errno.EINVAL),
            (wire.Command.READ, wire.NO_HOLE, 0, 1, errno.EINVAL),
            (wire.Command.WRITE, 0, 0, 5, errno.EPERM),
            (wire.Command.TRIM, 0, 0, 1, errno.EPERM),
            (wire.Command.WRITE_ZEROES, 0, 0, 1, errno.EPERM),
            (wire.Command.BLOCK_STATUS, 0, 0, 1, errno.EINVAL),
            (99, 0, 0, 0, errno.EINVAL),
            (wire.Command.FLUSH, 0, 0, 0, 0),
        ):
            writer.write(wire.REQUEST.pack(wire.REQUEST_MAGIC, flags, command, 5, offset, length))
            writer.write(bytes(length) if command == wire.Command.WRITE else b"")
            if structured and command in (wire.Command.READ, wire.Command.BLOCK_STATUS):
                *_, size = struct.unpack(">IHHQI", await reader.readexactly(20))
                assert struct.unpack_from(">I", await reader.readexactly(size))[0] == error
            else:
                assert wire.SIMPLE.unpack(await reader.readexactly(16)) == (wire.SIMPLE_MAGIC, error, 5)
        # Reads of nothing are answered, and leave no fault behind.
        writer.write(2 * wire.REQUEST.pack(wire.REQUEST_MAGIC, wire.NOT_IN_PIECES, wire.Command.READ, 6, 0, 0))
        empty = wire.CHUNK.pack(wire.STRUCTURED_MAGIC, wire.CHUNK_DONE, wire.Chunk.NONE, 6) + bytes(4)
        answer = empty if structured else wire.SIMPLE.pack(wire.SIMPLE_MAGIC, 0, 6)
        assert await reader.readexactly(2 * len(answer)) == 2 * answer
        writer.close()
    gc.collect()
    assert not faults


async def test_who_stalls_is_disconnected_and_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.3)
    monkeypatch.setattr(serving, "CLIENTS", 2)
    async with served(tmp_path, Memory()) as path:
        silent = [await asyncio.open_unix_connection(path) for _ in range(80)]
        async with await NbdClient.connect_unix(path, "disk0") as one, await NbdClient.connect_unix(path, "disk0"):
            with pytest.raises(NbdFailed):
                async with await NbdClient.connect_unix(path, "disk0") as third:
                    await third.read_into(0, bytearray(1))
            for reader, writer in silent:
                await reader.read()
                writer.close()
            await one.read_into(0, bytearray(512))


async def test_noise_ends_a_connection_and_nothing_else(tmp_path: Path) -> None:
    """Seeded: correct beginnings with bytes changed, cut off, or followed by noise."""
    chance = random.Random(99)
    go = wire.option(wire.Option.GO, wire.string("disk0") + b"\0\0")
    meta = wire.option(wire.Option.SET_META_CONTEXT, wire.string("disk0") + wire.LENGTH.pack(1) + wire.string(wire.BASE_ALLOCATION))
    requests = b"".join(
        wire.REQUEST.pack(wire.REQUEST_MAGIC, 0, command, command, 4096 * command, 4096) + (bytes(4096) if command == 1 else b"")
        for command in (0, 1, 3, 4, 6, 7)
    )
    whole = wire.LENGTH.pack(3) + wire.option(wire.Option.STRUCTURED_REPLY) + meta + go + requests
    device = Memory()
    async with served(tmp_path, device) as path:
        for _ in range(250):
            sent = bytearray(whole)
            for _ in range(chance.randrange(4)):
                sent[chance.randrange(len(sent))] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
            sent = sent[: chance.randrange(len(sent) + 1)] + chance.randbytes(chance.choice([0, 0, 30, 3000]))
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(sent)
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            writer.close()
        async with await NbdClient.connect_unix(path, "disk0") as client:
            buffer = np.empty(SIZE, dtype=np.uint8)
            await client.read_into(0, buffer)
            assert np.array_equal(buffer, device.bytes)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from([*wire.Option, 11, 255]), st.binary(max_size=40) | st.just(wire.string("a") + b"\0\0"))),
    st.booleans(),
)
def test_no_handshake_is_too_strange(options: list[tuple[int, bytes]], tls: bool) -> None:
    sent = bytearray(
        wire.LENGTH.pack(3) + b"".join(wire.OPTION.pack(wire.OPTION_MAGIC, number, len(data)) + data for number, data in options)
    )
    said: list[bytes] = []
    clear = tls
    talk = greet({"a": Offer(5, Flags.HAS_FLAGS), "b": Offer(6, Flags.HAS_FLAGS)}, said.append, tls=tls)
    try:
        for wanted in talk:
            if isinstance(wanted, StartTls):
                clear = False
                continue
            if len(sent) < len(wanted):
                return
            wanted[:] = sent[: len(wanted)]
            del sent[: len(wanted)]
    except ClientBroke:
        return
    finally:
        assert not clear or not any(reply[12:16] == wire.LENGTH.pack(wire.Reply.INFO) for reply in said)


@given(st.binary(min_size=28, max_size=28), st.booleans())
def test_no_request_is_too_strange(noise: bytes, begun: bool) -> None:
    header = struct.pack(">I", wire.REQUEST_MAGIC) + noise[4:] if begun else noise
    try:
        asked = Asked.parse(header)
    except ClientBroke:
        return
    assert asked.payload <= wire.MAX_PAYLOAD
    refused = asked.objection(SIZE, Flags.HAS_FLAGS, allocation=True)
    assert refused or asked.command == wire.Command.FLUSH or asked.offset + asked.length <= SIZE


async def test_tcp_is_inside_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    """Before TLS nothing is told, and what was sent ahead of it counts for nothing."""
    await certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tmp_path / "server-cert.pem", tmp_path / "server-key.pem")
    context.load_verify_locations(tmp_path / "ca-cert.pem")
    device = Memory(writable=False)
    server = NbdServer({"disk0": Export(device)})
    port = server.listen_tcp("127.0.0.1", 0, context)
    try:
        uri = f"nbds://127.0.0.1:{port}/disk0?tls-certificates={tmp_path}"
        await tool("nbdcopy", uri, str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes() == device.bytes.tobytes()
        (tmp_path / "client-cert.pem").unlink()
        for refused in (uri, f"nbd://127.0.0.1:{port}/disk0"):
            done = await asyncio.to_thread(subprocess.run, ["nbdinfo", refused], capture_output=True, timeout=60)
            assert done.returncode
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ahead = wire.option(wire.Option.STARTTLS) + wire.option(wire.Option.GO, wire.string("disk0") + b"\0\0")
        writer.write(wire.LENGTH.pack(3) + wire.option(wire.Option.LIST) + ahead)
        said = await reader.read()
        assert said[18 + 12 : 18 + 16] == wire.LENGTH.pack(wire.Reply.TLS_REQUIRED)
        assert str(SIZE.to_bytes(8, "big")) not in str(said)
        writer.close()
    finally:
        await server.close()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


async def certificates(directory: Path) -> None:
    """An authority, a server's and a client's, under the names that NBD's tools know."""

    def openssl(*words: str) -> tuple[str, ...]:
        return ("openssl", *words)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-x509")
    ca = (str(directory / "ca-cert.pem"), str(directory / "ca-key.pem"))
    await tool(*openssl("req", *key, "-subj", "/CN=authority", "-out", ca[0], "-keyout", ca[1]))
    for who in ("server", "client"):
        out = ("-out", str(directory / f"{who}-cert.pem"), "-keyout", str(directory / f"{who}-key.pem"))
        names = ("-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:false")
        await tool(*openssl("req", *key, *names, "-CA", ca[0], "-CAkey", ca[1], *out))
