"""`understudy check-config` tells what the daemon would refuse, and what would let nobody in."""

from pathlib import Path

import pytest

from tests.cli.conftest import Typed


def _written(directory: Path, url: str = "file:///srv/vault", api: str = "") -> str:
    key = directory / "vault.key"
    key.write_bytes(b"key")
    key.chmod(0o600)
    file = directory / "understudy.toml"
    file.write_text(f'[vault]\nurl = "{url}"\nkey-file = "{key}"\n[api]\nadmins = ["root"]\n{api}')
    return str(file)


def test_a_file_that_is_right_is_told_in_a_line(typed: Typed, tmp_path: Path) -> None:
    result = typed("check-config", "--config", _written(tmp_path))
    assert result.exit_code == 0
    assert "vault file:///srv/vault" in result.stdout
    assert result.stderr == ""


def test_a_path_is_taken_and_all_that_is_missing_named(typed: Typed, tmp_path: Path) -> None:
    assert typed("check-config", _written(tmp_path)).exit_code == 0
    more = '[api.tcp]\nlisten = "127.0.0.1:1"\ncertificate = "/no/crt"\nprivate-key = "/no/key"\ntokens = "/no/tokens"\n'
    told = typed("check-config", _written(tmp_path, api=f'{more}[failover]\nfence = ["/no/fence"]\n'))
    assert told.exit_code == 2
    assert [key for key in ("/no/crt", "/no/key", "/no/tokens", "/no/fence") if key not in told.stderr] == []


@pytest.mark.parametrize(
    ("url", "code", "hint"), [("s3://Bucket", 2, "s3://bucket/prefix"), ("file://srv/vault", 2, "three slashes"), ("nfs", 2, "file:///srv")]
)
def test_an_address_that_the_daemon_cannot_open_is_no_right_file(typed: Typed, tmp_path: Path, url: str, code: int, hint: str) -> None:
    result = typed("check-config", "--config", _written(tmp_path, url))
    assert result.exit_code == code
    assert "vault.url: " in result.stderr
    assert hint in result.stderr


def test_who_is_not_known_here_is_named(typed: Typed, tmp_path: Path) -> None:
    api = 'operators = ["no-such-user"]\nviewers = ["@no-such-group", "@root"]\n'
    result = typed("check-config", "--config", _written(tmp_path, api=api))
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: api.operators: there is no user no-such-user on this host, so nobody is let in by it",
        "warning: api.viewers: there is no group no-such-group on this host, so nobody is let in by it",
    ]
