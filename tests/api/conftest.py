"""The application over a service in memory, on a unix socket as any client finds it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.api.fake_service import FakeService
from understudy.api import Settings, make_app


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
async def socket(tmp_path: Path, service: FakeService, settings: Settings) -> AsyncIterator[str]:
    """Where it listens."""
    runner = web.AppRunner(make_app(service, settings), access_log=None, shutdown_timeout=5)
    await runner.setup()
    path = str(tmp_path / "api.sock")
    await web.UnixSite(runner, path).start()
    yield path
    await runner.cleanup()
    await service.close()


@pytest.fixture
async def http(socket: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(path=socket)) as session:
        yield session
