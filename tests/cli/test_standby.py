"""Standbys without a daemon: a command makes the images, and brings them on when it is said again."""

from pathlib import Path

import pytest

from tests.cli.installed import Host


def test_a_standby_by_hand(tmp_path: Path) -> None:
    host = Host(tmp_path, tmp_path / "vault", tmp_path / "key")
    disk, images = tmp_path / "disk", tmp_path / "images"
    disk.write_bytes(b"x" * (1 << 20))
    host.run("vault", "create", host.vault.as_uri())
    host.run("protect", "web", "--disk", f"vda={disk}")
    assert "has no disk 'vda'" in host.run("standby", "create", "web", "--disk", f"vda={images}/a", expect=2).stderr
    host.run("replicate", "web")
    assert "would lie in the vault" in host.run("standby", "create", "web", "--to", str(host.vault / "x"), expect=2).stderr
    told = host.run("standby", "create", "web", "--to", str(images), "--format", "qcow2").stdout
    assert "vda.qcow2, new: 1.0 MiB written" in told
    assert "proven by digest" in told
    disk.write_bytes(b"y" * 4096 + b"x" * ((1 << 20) - 4096))
    host.run("replicate", "web")
    (found,) = host.json("standby", "list")
    assert (found["behind"], found["state"], found["disks"][0]["format"]) == (1, "following", "qcow2")
    assert "known: 4.0 KiB written" in host.run("standby", "verify", "web").stdout
    assert "rests at point" in host.run("standby", "pause", "web").stdout
    assert "standby on" in host.run("hold", "list", "web").stdout
    assert "follows again" in host.run("standby", "resume", "web").stdout
    assert str(images / "vda.qcow2") in host.run("standby", "show", "web").stdout
    assert host.json("orphan", "list", "web") == []
    host.run("orphan", "drop", "web", "nothing", expect=3)
    assert "its images stay" in host.run("standby", "remove", "web", "--keep-images").stdout
    assert (images / "vda.qcow2").exists()
    assert "keeps no standby" in host.run("standby", "list").stdout
    host.run("standby", "show", "web", expect=3)


@pytest.mark.parametrize("words", [("create", "web"), ("pause", "web"), ("verify", "web"), ("remove", "web")])
def test_what_is_not_there(words: tuple[str, ...], tmp_path: Path) -> None:
    host = Host(tmp_path, tmp_path / "vault", tmp_path / "key")
    host.run("vault", "create", host.vault.as_uri())
    assert "no machine 'web'" in host.run("standby", *words, expect=3).stderr
