"""Secrets come from files or a prompt, and are never shown."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Typed
from tests.cli.fake_engine import FakeEngine
from tests.cli.installed import COMMAND
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
    assert "--new-key-file" in typed("vault", "key", "add", "--role", "source", "--label", "a").stderr
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


def test_a_key_file_that_others_can_read_is_warned_of(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o640)
    (tmp_path / "key").chmod(0o640)
    result = typed("points", "web")
    assert (result.exit_code, result.stderr.count("can be read by others")) == (0, 1)
    (tmp_path / "key").chmod(0o600)
    assert "others" not in typed("points", "web").stderr
    (tmp_path / "phrase").write_text("secret")
    (tmp_path / "phrase").chmod(0o604)
    assert "passphrase file" in typed("points", "web", "--passphrase-file", str(tmp_path / "phrase")).stderr


@pytest.mark.parametrize(("typed_keys", "code"), [(b"\x03", 130), (b"secret\n", 10)])
def test_a_terminal_is_asked_and_can_say_no(tmp_path: Path, typed_keys: bytes, code: int) -> None:
    """Ctrl-C at the prompt ends the command at once; an answer is not shown. The vault named is not there."""
    environment = {**os.environ, "UNDERSTUDY_VAULT": (tmp_path / "absent").as_uri()}
    del environment["UNDERSTUDY_KEY_FILE"]
    # `script` gives the command a terminal of its own.
    command = ["script", "-qec", f"{COMMAND} points web", "/dev/null"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        while b"Passphrase of the vault: " not in shown:
            shown += process.stdout.read1()
        process.stdin.write(typed_keys)
        process.stdin.flush()
        shown += process.stdout.read()
    assert process.returncode == code
    assert b"secret" not in shown
