"""What a machine is started from: shown, given by an operator, taken back; all from the vault."""

from pathlib import Path

import pytest

from tests.cli.installed import Host
from understudy.errors import InvalidRequest, NotFound

UUID = "00112233-4455-6677-8899-aabbccddeeff"
TEXT = f"""
name = "web1"
uuid = "{UUID}"
memory = 1073741824

[[disks]]
name = "vda"
serial = "S-1"
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "operator", tmp_path / "vault", tmp_path / "operator.key")
    host.run("vault", "create", host.vault.as_uri())
    (tmp_path / "disk.img").write_bytes(b"x" * 8192)
    host.run("protect", "web", "--disk", f"vda={tmp_path}/disk.img")
    return host


def test_given_and_taken_back(host: Host, tmp_path: Path) -> None:
    assert "no point yet" in host.run("definition", "show", "web", expect=NotFound.exit_code).stderr
    host.run("replicate", "web")
    # Its source is a file: nobody knows what it is a disk of.
    assert "does not say what its machine is made of" in host.run("definition", "show", "web", expect=InvalidRequest.exit_code).stderr
    file = tmp_path / "web.toml"
    file.write_text(TEXT.replace("memory", "memroy"))
    assert "memroy" in host.run("definition", "set", "web", str(file), expect=InvalidRequest.exit_code).stderr
    file.write_text(TEXT)
    assert "what was given" in host.run("definition", "set", "web", str(file)).stdout
    shown = host.json("definition", "show", "web")
    assert (shown["machine"], shown["given"]) == ("web", True)
    # What is shown can be given again.
    file.write_text(host.run("definition", "show", "web").stdout)
    host.run("definition", "set", "web", str(file))
    assert host.json("definition", "show", "web") == shown
    host.run("replicate", "web")
    assert host.json("definition", "show", "web") == shown
    assert "what its points say" in host.run("definition", "set", "web", "--captured").stdout
    assert "does not say what its machine is made of" in host.run("definition", "show", "web", expect=InvalidRequest.exit_code).stderr
    assert "--captured" in host.run("definition", "set", "web", expect=InvalidRequest.exit_code).stderr
