"""What is said of peers on the serving site, whether or not its daemon runs."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Typed
from understudy.pairing.key import key_of


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "understudy.toml"
    peers = '[peers]\nlisten = "0.0.0.0:8444"\naddress = "vault.example.net:8444"\n'
    path.write_text(f'state-dir = "{tmp_path}/there"\n[vault]\nurl = "file:///srv/vault"\nkey-file = "/k"\n{peers}')
    return str(path)


def test_a_peer_from_its_invitation_to_its_end(typed: Typed, config: str) -> None:
    def peer(*words: str, code: int = 0) -> str:
        result = typed("peer", *words, "--config", config)
        assert result.exit_code == code, result.stderr
        return str(result.stdout + result.stderr)

    assert peer("list") == "no peers\n"
    said = peer("invite", "host-b", "--prefix", "sites/b", "--quota", "2TiB").splitlines()
    key = key_of(said[0])
    assert str(key.address) == "vault.example.net:8444"
    assert said[2] == "it sees below sites/b/; it may create, read; quota 2.0 TiB"
    assert "a peer 'host-b': invited" in peer("invite", "host-b", code=4)
    assert str(key_of(peer("invite", "host-c", "--address", "[fd00::1]:9").splitlines()[0]).address) == "[fd00::1]:9"
    assert "--quota" in peer("limit", "host-b", code=2)
    assert peer("limit", "host-b", "--maintenance", "--prefix", "").endswith(
        "all that is served; it may create, read, delete; quota 2.0 TiB\n"
    )
    assert "no peer 'host-x'" in peer("limit", "host-x", "--quota", "1", code=3)
    assert "cannot name an object" in peer("limit", "host-b", "--prefix", "../c", code=2)
    assert "nothing was done" in peer("revoke", "host-b", code=2)
    peer("revoke", "host-b", "--yes")
    assert "was revoked" in peer("revoke", "host-b", "--yes", code=4)
    shown = json.loads(peer("list", "--json"))
    assert [(one["name"], one["state"], one["used"]) for one in shown] == [("host-b", "revoked", 0), ("host-c", "invited", 0)]
    assert key.secret not in peer("list", "--json")
    assert "host-b  revoked" in peer("list")


def test_who_serves_nobody_invites_nobody(typed: Typed, config: str, tmp_path: Path) -> None:
    text = Path(config).read_text()
    Path(config).write_text(text[: text.index("[peers]")])
    result = typed("peer", "invite", "host-b", "--config", config)
    assert result.exit_code == 2
    assert "there is no [peers]" in result.stderr
    assert not (tmp_path / "there").exists()


def test_a_garbled_key_joins_nobody(typed: Typed, tmp_path: Path) -> None:
    result = typed("peer", "join", "-", input="understudy-1-AAAAnonsense\n")
    assert result.exit_code == 2
    assert "garbled" in result.stderr
    assert not (tmp_path / "state").exists()
