"""Exports as an operator uses them: real processes, real NBD tools, kill −9."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host

MIB = 1 << 20


@pytest.fixture
def host() -> Iterator[Host]:
    """Under a short path: a socket's may have 107 bytes. Nothing that was exported is left behind."""
    with tempfile.TemporaryDirectory(prefix="us") as name:
        directory = Path(name)
        made = Host(directory, directory / "vault", directory / "key")
        made.run("vault", "create", made.vault.as_uri())
        (directory / "a.img").write_bytes(os.urandom(2 * MIB) + bytes(2 * MIB))
        (directory / "b.img").write_bytes(os.urandom(99 * 512))
        made.run("protect", "web", "--disk", f"vda={directory}/a.img", "--disk", f"vdb={directory}/b.img")
        made.run("replicate", "web")
        yield made
        for export in made.json("exports"):
            if export["pid"]:
                kill(export["pid"])


def kill(pid: int) -> None:
    """SIGKILL; the process is gone when this returns, and what it had locked is free."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([process], [], [], 30)[0]
    os.close(process)


def uris(export: Any) -> dict[str, str]:
    return {disk["name"]: disk["uri"] for disk in export["disks"]}


def tool(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def io(uri: str, *commands: str) -> None:
    """Every command of qemu-io must do; a pattern that is not there is a failure."""
    said = tool("qemu-io", "-f", "raw", *(word for command in commands for word in ("-c", command)), uri)
    assert "verification failed" not in said, said


def test_a_point_is_served_held_and_let_go(host: Host) -> None:
    export = host.json("export", "web")
    for name, image in (("vda", "a.img"), ("vdb", "b.img")):
        copy = host.directory / "copy"
        tool("nbdcopy", uris(export)[name], str(copy))
        assert copy.read_bytes() == (host.directory / image).read_bytes()
    assert "already" in host.run("export", "web", expect=4).stderr
    point = host.json("points", "web")["points"][0]
    assert point["held"]
    assert export["point"] == point["id"]
    kill(export["pid"])
    again = host.json("export", f"web@{point['number']}")
    assert again["pid"] != export["pid"]
    tool("qemu-img", "compare", "-f", "raw", "-F", "raw", uris(again)["vda"], str(host.directory / "a.img"))
    assert len(host.json("hold", "list", "web")) == 1
    assert host.json("unexport", "web-3")["state"] == "stopped"
    assert host.json("exports") == []
    assert host.json("hold", "list", "web") == []
    assert not (host.directory / "state" / "exports" / "web-3").exists()


def test_what_was_flushed_outlives_a_kill(host: Host) -> None:
    overlay = str(host.directory / "overlay")
    export = host.json("export", "web", "--name", "drill", "--overlay", overlay)
    io(uris(export)["vda"], "write -P 17 5000 70000", "write -f -P 18 3M 4096", "discard 1M 512k", "flush")
    kill(export["pid"])
    # Another name must not get at the same files, nor this name at another point.
    export = host.json("export", "web", "--name", "drill", "--overlay", overlay)
    assert "in use" in host.run("export", "web", "--name", "other", "--overlay", overlay, expect=4).stderr
    io(uris(export)["vda"], "read -P 17 5000 70000", "read -P 18 3M 4096", "read -P 0 1M 512k", "read -P 0 2M 512k")
    truth = bytearray((host.directory / "a.img").read_bytes())
    truth[5000:75000], truth[3 * MIB : 3 * MIB + 4096], truth[MIB : MIB + MIB // 2] = b"\x11" * 70000, b"\x12" * 4096, bytes(MIB // 2)
    (host.directory / "truth").write_bytes(truth)
    tool("qemu-img", "compare", "-f", "raw", "-F", "raw", uris(export)["vda"], str(host.directory / "truth"))
    assert "--discard" in host.run("unexport", "drill", expect=4).stderr
    assert [shown["state"] for shown in host.json("exports") if shown["name"] == "drill"] == ["stopped"]
    # What could not begin has left nothing.
    assert [shown["name"] for shown in host.json("exports")] == ["drill"]
    assert len(host.json("hold", "list", "web")) == 1
    host.run("unexport", "drill", "--discard")
    assert os.listdir(overlay) == []
    assert host.json("hold", "list", "web") == []


def test_one_of_which_nothing_is_left_is_forgotten(host: Host) -> None:
    overlay = host.directory / "overlay"
    export = host.json("export", "web", "--name", "drill", "--overlay", str(overlay))
    io(uris(export)["vda"], "write -P 17 0 4096", "flush")
    kill(export["pid"])
    host.vault.rename(host.directory / "away")
    host.run("unexport", "drill", "--discard", expect=10)
    assert str(overlay) in host.run("unexport", "drill", "--forget", expect=4).stderr
    shutil.rmtree(overlay)
    assert "exclude" in host.run("unexport", "drill", "--forget", "--discard", expect=2).stderr
    assert host.json("unexport", "drill", "--forget")["name"] == "drill"
    assert host.json("exports") == []
    host.run("unexport", "drill", "--forget", expect=3)
    (host.directory / "away").rename(host.vault)
    assert len(host.json("hold", "list", "web")) == 1, "its vault was not asked for anything"


def test_who_cannot_be_served_is_told_why(host: Host) -> None:
    assert "TLS" in host.run("export", "web", "--listen", "127.0.0.1:0", expect=2).stderr
    assert "107" in host.run("export", "web", "--listen", str(host.directory / ("s" * 100)), expect=2).stderr
    key = str(host.directory / "source.key")
    host.run("vault", "key", "add", "--role", "source", "--label", "host-a", "--new-key-file", key)
    assert "operator" in host.run("export", "web", "--key-file", key, "--name", "mine", expect=5).stderr
    assert "no point" in host.run("export", "web@77", expect=3).stderr
    host.run("unexport", "nothing", expect=3)
    mistyped = host.directory / "mistyped" / "overlay"
    assert f"no directory {mistyped.parent}" in host.run("export", "web", "--overlay", str(mistyped), expect=2).stderr
    assert not mistyped.parent.exists()
    assert host.json("exports") == []
    damaged = host.directory / "state" / "exports" / "bad" / "export.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    (bad,) = host.json("exports")
    assert (bad["name"], bad["state"], str(damaged.parent) in bad["why"]) == ("bad", "unknown", True)
    assert f"move {damaged.parent} away" in host.run("export", "web", "--name", "bad", expect=16).stderr
    assert damaged.read_text() == "{"
    shutil.rmtree(damaged.parent)
    for pack in (host.vault / "machines").glob("*/packs/*"):
        shutil.move(pack, host.directory / "gone")
    assert "missing" in host.run("export", "web", "--name", "broken", expect=6).stderr
