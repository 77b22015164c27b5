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


def test_a_second_vault_that_is_no_address_is_no_right_file(typed: Typed, tmp_path: Path) -> None:
    result = typed("check-config", "--config", _written(tmp_path, api='[policy]\nsecond = "foo"\nimmutable = "5s"\n'))
    assert result.exit_code == 2
    assert "policy.second: 'foo' is not a vault's address" in result.stderr
    assert "policy.immutable: points cannot be immutable for 5 s" in result.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/a?credentials=/no/such.toml", "the credentials /no/such.toml cannot be read"),
        ("az://box/a?account=x&credentials=/no/such.toml", "the credentials /no/such.toml cannot be read"),
        ("az://box/a", "does not say of which storage account"),
        ("s3://bucket/a?ca=/no/ca.pem", "ca=/no/ca.pem: No such file"),
        ("understudy://host:8444", "has not joined the one at host:8444"),
    ],
)
def test_what_an_address_names_and_is_not_there_is_told(
    typed: Typed, tmp_path: Path, url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the vault it is a mistake; of a second one a warning, without which the daemon protects machines."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    result = typed("check-config", "--config", _written(tmp_path, url))
    assert result.exit_code in (2, 11)
    assert "vault.url: " in result.stderr
    assert said in result.stderr
    result = typed("check-config", "--config", _written(tmp_path, api=f'[policy]\nsecond = "{url}"\n'))
    assert result.exit_code == 0
    assert "warning: policy.second: " in result.stderr
    assert said in result.stderr


def test_credentials_that_are_there_are_read_and_those_of_systemd_where_it_gives_any(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "s3.toml"
    keys.touch(0o600)
    keys.write_text('access-key-id = "id"\n')
    by_hand = _written(tmp_path, "s3://bucket/a?credentials=systemd:s3.toml")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert typed("check-config", by_hand).exit_code == 0
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for file in (by_hand, _written(tmp_path, f"s3://bucket/a?credentials={keys}")):
        result = typed("check-config", file)
        assert result.exit_code == 11
        assert "are not what they should be" in result.stderr
    keys.write_text('access-key-id = "id"\nsecret-access-key = "x"\n')
    assert typed("check-config", by_hand).exit_code == 0


def test_who_is_not_known_here_is_named(typed: Typed, tmp_path: Path) -> None:
    api = 'operators = ["no-such-user"]\nviewers = ["@no-such-group", "@root"]\n'
    result = typed("check-config", "--config", _written(tmp_path, api=api))
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: api.operators: there is no user no-such-user on this host, so nobody is let in by it",
        "warning: api.viewers: there is no group no-such-group on this host, so nobody is let in by it",
    ]
