"""A way to type a command at an engine."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.fake_engine import FakeEngine
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


def lines(result: Result) -> list[Any]:
    """Each line of JSON on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]
