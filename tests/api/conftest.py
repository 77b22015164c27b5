"""The application over a service in memory, on a unix socket as any client finds it."""

import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.api.browser import Tab, browsing, certificate, chromium, served
from tests.api.fake_service import FakeService
from understudy.api import Settings, Token, make_app
from understudy.api.access import Access


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


def _token(name: str, role: Access, secret: str) -> Token:
    return Token(name=name, role=role, digest=hashlib.sha256(secret.encode()).hexdigest())


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with chromium(tmp_path_factory.mktemp("chromium")) as port:
        yield port


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def tab(service: FakeService, browser: int, tls: ssl.SSLContext) -> AsyncIterator[Tab]:
    """The dashboard, where it asks who looks: root (admin) says `all`, anna (operator) `secret`, otto (viewer) `only looks`."""
    tokens = (_token("root", "admin", "all"), _token("anna", "operator", "secret"), _token("otto", "viewer", "only looks"))
    async with served(make_app(service, Settings(tokens=tokens)), tls) as url, browsing(browser, url) as tab:
        await tab.until('!document.getElementById("login").hidden')
        yield tab
    await service.close()
