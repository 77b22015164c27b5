"""Where the API listens."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from tests.api.browser import certificate
from tests.api.fake_service import FakeService
from understudy.api import Settings, make_app
from understudy.config.values import ApiConfig
from understudy.daemon import farewell, sockets


@pytest.mark.parametrize("sent", [b"", b"GET /v1/me HTTP/1.1\r\nHost: local"])
async def test_a_connection_on_which_no_request_comes_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(sockets, "IDLE", 0.1)
    path = tmp_path / "api.sock"
    async with sockets.listening(
        make_app(FakeService(), Settings()), ApiConfig(socket=str(path), admins=(), operators=(), viewers=(), tcp=None)
    ):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
    assert not path.exists()


async def test_who_says_no_goodbye_over_tls_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farewell, "FAREWELL", 0.05)
    silent = _Silent()
    tls = await farewell.TlsListener.begin(lambda: silent, "127.0.0.1", 0, certificate(tmp_path))
    with await asyncio.to_thread(_shaken, tls.port) as peer:
        transport = await silent.connected
        tls.close()
        transport.close()
        await tls.closed()
        # Its own end of the connection is still open; the other is not, so that this ends.
        peer.settimeout(10)
        assert await asyncio.to_thread(_all_of, peer)


class _Silent(asyncio.Protocol):
    def __init__(self) -> None:
        self.connected: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connected.set_result(transport)


def _shaken(port: int) -> socket.socket:
    """Connected, and let in; what comes is read as it is on the wire, so that nothing is ever answered to it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    line = context.wrap_bio(came, goes)
    peer = socket.create_connection(("127.0.0.1", port), timeout=30)
    while True:
        try:
            line.do_handshake()
        except ssl.SSLWantReadError:
            peer.sendall(goes.read())
            came.write(peer.recv(65536))
        else:
            peer.sendall(goes.read())
            return peer


def _all_of(peer: socket.socket) -> bytes:
    return b"".join(iter(lambda: peer.recv(65536), b""))
