"""Secrets come from files or a prompt, and are never shown."""

from pathlib import Path

import pytest

from tests.cli.conftest import Typed
from tests.cli.fake_engine import FakeEngine
from understudy.engine import KeyFile, Passphrase


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    path = tmp_path / "phrase"
    path.write_bytes("grün\r\nnot this\n".encode())
    return str(path)


def test_the_command_line_counts_before_the_environment(engine: FakeEngine, typed: Typed, phrase: str) -> None:
    assert typed("points", "web", "--passphrase-file", phrase).exit_code == 0
    assert engine.connections[0].credential == Passphrase(text="grün")


def test_the_environment_counts_by_itself(engine: FakeEngine, typed: Typed, phrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_KEY_FILE")
    monkeypatch.setenv("UNDERSTUDY_PASSPHRASE_FILE", phrase)
    assert typed("points", "web").exit_code == 0
    assert typed("points", "web", "--key-file", "k").exit_code == 0
    assert isinstance(engine.connections[0].credential, Passphrase)
    assert isinstance(engine.connections[1].credential, KeyFile)


def test_two_credentials_are_one_too_many(typed: Typed, phrase: str) -> None:
    result = typed("points", "web", "--key-file", "k", "--passphrase-file", phrase)
    assert result.exit_code == 2
    assert "both" in result.stderr
    assert (
        typed("vault", "key", "add", "--role", "source", "--label", "a", "--new-key-file", "k", "--new-passphrase-file", phrase).exit_code
        == 2
    )


def test_without_a_terminal_nobody_is_asked(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_KEY_FILE")
    result = typed("points", "web")
    assert result.exit_code == 5
    assert "--key-file" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n"])
def test_a_passphrase_file_that_holds_none_is_refused(typed: Typed, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    assert typed("points", "web", "--passphrase-file", str(path)).exit_code == 2
    assert typed("points", "web", "--passphrase-file", str(tmp_path / "absent")).exit_code == 2


def test_a_passphrase_can_come_from_another_program(engine: FakeEngine, typed: Typed) -> None:
    assert typed("points", "web", "--passphrase-file", "-", input="piped\n").exit_code == 0
    assert engine.connections[0].credential == Passphrase(text="piped")


def test_a_vault_must_be_named(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_VAULT")
    result = typed("points", "web")
    assert result.exit_code == 2
    assert "UNDERSTUDY_VAULT" in result.stderr


def test_a_passphrase_does_not_show() -> None:
    assert "secret" not in repr(Passphrase(text="secret"))
    assert "secret" not in f"{[Passphrase(text='secret')]}"
