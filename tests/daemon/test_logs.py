"""What the log says, and what it never says."""

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.api.fake_service import FakeService
from understudy.api import Settings, make_app
from understudy.config.values import Log
from understudy.daemon.logs import set_up


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    root, said = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    set_up(Log(level="debug", format="text"), said)
    yield said
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("header", [b"Authorization: Bearer the-secret\x00", b"Authorization: Bearer the-secret" + b"x" * 9000])
async def test_a_token_in_a_request_that_cannot_be_read_is_not_logged(said: io.StringIO, tmp_path: Path, header: bytes) -> None:
    runner = web.AppRunner(make_app(FakeService(), Settings()), access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "s")).start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
    finally:
        await runner.cleanup()
    assert "no HTTP request" in said.getvalue()
    assert "the-secret" not in said.getvalue()
