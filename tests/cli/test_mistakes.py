"""Slips that an operator makes: each is refused in words that help, and leaves nothing half done."""

from pathlib import Path

import pytest

from tests.cli.installed import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A vault, its operator key, and a disk to protect."""
    host = Host(tmp_path / "host", tmp_path / "vault", tmp_path / "operator.key")
    host.run("vault", "create", host.vault.as_uri())
    (tmp_path / "disk.raw").write_bytes(b"disk" * 4096)
    return host


def test_a_refused_key_leaves_no_key_file(host: Host, tmp_path: Path) -> None:
    host.run("vault", "key", "add", "--role", "source", "--label", "host-a", "--new-key-file", str(tmp_path / "source.key"))
    new = tmp_path / "new.key"
    add = ("vault", "key", "add", "--role", "source", "--new-key-file", str(new))
    host.run(*add, "--label", "host-a", expect=4)
    host.run(*add, "--label", "host-b", "--key-file", str(tmp_path / "source.key"), expect=5)
    host.run("vault", "create", host.vault.as_uri(), "--key-file", str(new), expect=4)
    assert not new.exists()
    host.run(*add, "--label", "host-b", "--new-key-file", str(tmp_path / "missing" / "key"), expect=2)
    host.run(*add, "--label", "operator.key", "--new-key-file", str(host.key), expect=4)
    host.run("vault", "info")


def test_a_vault_that_exists_is_never_called_remains(host: Host, tmp_path: Path) -> None:
    said = host.run("vault", "create", host.vault.as_uri(), expect=4).stderr
    assert "a vault here already" in said
    assert "remove" not in said
    (tmp_path / "left" / "keys").mkdir(parents=True)
    (tmp_path / "left" / "keys" / "0").write_bytes(b"")
    said = host.run("vault", "create", (tmp_path / "left").as_uri(), expect=4).stderr
    assert "not empty" in said
    (tmp_path / "elsewhere").mkdir()
    elsewhere = (tmp_path / "elsewhere").as_uri()
    assert elsewhere in host.run("vault", "info", "--vault", elsewhere, expect=3).stderr


@pytest.mark.parametrize("state", ["/proc/nowhere", "/dev/null"])
def test_a_state_directory_that_cannot_be_used_is_named(host: Host, state: str) -> None:
    for words in (("vault", "info"), ("points", "web")):
        error = host.json(*words, "--state-dir", state, expect=16)["error"]
        assert state in error["message"]
        assert "--state-dir" in error["hint"]


def test_a_machine_is_here_only_at_the_site_that_follows_it(host: Host, tmp_path: Path) -> None:
    disk = f"vda={tmp_path / 'disk.raw'}"
    host.run("protect", "web", "--disk", disk)
    assert host.json("vault", "info")["machines"][0]["here"]
    other = Host(tmp_path / "other", host.vault, host.key, extra={"UNDERSTUDY_SITE": "other"})
    other.run("protect", "web", "--disk", disk, "--adopt")
    assert other.json("vault", "info")["machines"][0]["here"]
    assert not host.json("vault", "info")["machines"][0]["here"]


def test_a_name_in_no_encoding_is_refused_and_one_that_cannot_be_shown_is_not(host: Host, tmp_path: Path) -> None:
    host.run("protect", "web", "--disk", f"vda={tmp_path / 'disk.raw'}")
    host.run("replicate", "web")
    error = host.json("restore", "web", "--to", str(tmp_path / "\udcff"), expect=2)["error"]
    assert error["message"].endswith("encoding")
    host.extra["PYTHONIOENCODING"] = "ascii"
    with host.start("restore", "web", "--to", str(tmp_path / "é")) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "\\xe9/vda.raw" in output


def test_nothing_is_put_into_the_vaults_own_directory(host: Host, tmp_path: Path) -> None:
    host.run("protect", "web", "--disk", f"vda={tmp_path / 'disk.raw'}")
    host.run("replicate", "web")
    before = sorted(tmp_path.glob("vault/**/*"))
    inside, link = host.vault / "sub", tmp_path / "link"
    link.symlink_to(host.vault)
    for words in (
        ("restore", "web", "--to", str(inside)),
        ("restore", "web", "--to", str(link)),
        ("seed", "export", "web", str(host.vault)),
        ("seed", "export", "web", str(inside)),
        ("points", "web", "--state-dir", str(inside)),
    ):
        assert "would lie in the vault" in host.run(*words, expect=2).stderr
    assert sorted(tmp_path.glob("vault/**/*")) == before


def test_the_reason_of_a_hold_is_one_line_of_text(host: Host, tmp_path: Path) -> None:
    host.run("protect", "web", "--disk", f"vda={tmp_path / 'disk.raw'}")
    host.run("replicate", "web")
    for reason in ("", " ", "two\nlines", "\x1b[31m", "x" * 1001):
        assert "is no reason" in host.run("hold", "add", "web", "--reason", reason, expect=2).stderr
    assert host.json("hold", "list", "web") == []
