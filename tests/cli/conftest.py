"""A way to type a command at an engine."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from tests.api.fake_service import FakeService
from tests.cli.fake_engine import FakeEngine
from understudy.api import Settings, make_app
from understudy.cli.main import cli

Typed = Callable[..., Result]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person who runs the tests, and a key file as any host has one."""
    for name in list(os.environ):
        if name.startswith("UNDERSTUDY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UNDERSTUDY_VAULT", "file:///srv/vault")
    monkeypatch.setenv("UNDERSTUDY_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def typed(engine: FakeEngine) -> Typed:
    """Type a command; the result has `.exit_code`, `.stdout` and `.stderr`."""

    def run(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, words, obj=engine.open, prog_name="understudy", **options)

    return run


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """A daemon's service in memory, behind its API; commands ask it."""
    service, loop, served = FakeService(), asyncio.new_event_loop(), threading.Event()
    path, stop = str(tmp_path / "api.sock"), asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(make_app(service, Settings()), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        served.set()
        await stop.wait()
        await runner.cleanup()
        await service.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert served.wait(30)
    for name in ("VAULT", "KEY_FILE", "STATE_DIR"):
        monkeypatch.delenv(f"UNDERSTUDY_{name}")
    monkeypatch.setenv("UNDERSTUDY_SOCKET", path)
    yield service
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


def lines(result: Result) -> list[Any]:
    """Each line of JSON on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]
