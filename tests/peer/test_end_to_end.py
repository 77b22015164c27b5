"""Two sites as operators set them up: a daemon that serves its vault, and another site that joins it, replicates to it, and restores."""

import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.installed import Host
from tests.daemon.house import House


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def serving(short: Path) -> Iterator[House]:
    house = House(short / "there", site="there")
    house.directory.mkdir()
    house.create()
    house.configure(f'[peers]\nlisten = "127.0.0.1:{_free()}"\nmemory = "192MiB"\n')
    house.start()
    house.until(lambda: house.events("peers.served"))
    yield house
    if house.process is not None:
        house.process.kill()
        house.process.wait()


def test_a_second_site_s_vault(serving: House, short: Path) -> None:
    there = serving.host
    ours = Host(short / "here", short, short / "here.key")

    def peer(*words: str, expect: int = 0) -> object:
        return there.json("peer", *words, "--config", str(serving.config), expect=expect)

    # The key is printed once, and nothing else where it may be piped to.
    invited = there.run("peer", "invite", "here", "--prefix", "of-here", "--config", str(serving.config))
    key = invited.stdout.removesuffix("\n")
    assert key.startswith("understudy-1-")
    assert "`understudy peer join -`" in invited.stderr
    assert ours.json("peer", "join", "-", expect=2)["error"]["code"] == "invalid_request"
    joined = ours.json("peer", "join", key)
    assert (joined["name"], os.stat(joined["credential"]).st_mode & 0o777) == ("here", 0o600)
    assert Host(short / "thief", short, short / "key").json("peer", "join", key, expect=5)["error"]["code"] == "access_denied"
    assert serving.until(lambda: serving.events("peer.joined"))[0]["data"]["peer"]

    ours.address = joined["url"]
    ours.run("vault", "create", ours.url)
    disk, back = short / "disk.img", short / "back"
    disk.write_bytes(random.Random(5).randbytes(9 << 20) + bytes(3 << 20))
    ours.run("protect", "web", "--disk", f"vda={disk}")
    ours.run("replicate", "web")
    with disk.open("r+b") as image:
        image.write(b"changed")
    ours.run("replicate", "web")
    assert len(ours.json("points", "web")["points"]) == 2
    ours.run("restore", "web", "--to", str(back))
    assert (back / "vda.raw").read_bytes() == disk.read_bytes()
    ours.run("verify", "web", "--level", "digest")
    assert "of-here/" in " ".join(str(path.relative_to(there.vault)) for path in there.vault.rglob("*"))

    # It may not delete, whoever asks; then it may; then it may nothing.
    assert ours.json("vault", "key", "add", "--role", "source", "--label", "x", "--new-key-file", str(short / "x.key"))["label"] == "x"
    assert "may not delete" in ours.run("vault", "key", "remove", "x", "--yes", expect=11).stderr
    assert peer("limit", "here", "--maintenance", "--quota", "1GiB")["limits"] == {
        "prefix": "of-here",
        "maintenance": True,
        "quota": 1 << 30,
    }  # type: ignore[index]
    ours.run("vault", "key", "remove", "x", "--yes")
    shown = peer("list")
    assert [(one["name"], one["state"]) for one in shown] == [("here", "joined")]  # type: ignore[attr-defined]
    assert shown[0]["used"] > 9 << 20  # type: ignore[index]
    peer("revoke", "here", "--yes")
    assert "revoked" in ours.run("points", "web", expect=11).stderr
    assert serving.end() == 0
