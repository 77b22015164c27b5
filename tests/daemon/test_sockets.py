"""Where the API listens."""

import asyncio
from pathlib import Path

import pytest

from tests.api.fake_service import FakeService
from understudy.api import Settings, make_app
from understudy.config.values import ApiConfig
from understudy.daemon import sockets


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
