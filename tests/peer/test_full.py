"""Whoever is revoked is out, also where nothing more can be written."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer.pair import TERMS, served
from tests.peer.thief import Line, said
from understudy.engine import PeerLimits
from understudy.errors import StateFailed
from understudy.peer import inviting
from understudy.peer.registry import Registry


def fill(path: Path) -> Path:
    filler = path / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            file.write(bytes(4096))
    return filler


if os.geteuid() == 0:  # only root can make a file system

    @pytest.fixture
    def small(tmp_path: Path) -> Iterator[Path]:
        """A file system of its own."""
        path = tmp_path / "there"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", path], check=True)
        yield path
        subprocess.run(["umount", "-l", path], check=True)

    async def test_where_the_disk_is_full_a_peer_is_revoked_at_once(small: Path, tmp_path: Path) -> None:
        async with served(tmp_path, terms=TERMS) as site:
            store = await site.joined("b")
            await store.create("a", [b"x"])
            line = await Line.open(site, "b")
            await line.begin("GET", "/peer/1/about")
            assert (await line.heard()).status == 200
            filler = fill(small)
            assert inviting.revoke(site.directory, "b").state == "revoked"
            assert await line.reader.read() == b""
            heard = await said(site, "b", "GET", "/peer/1/objects/a")
            assert (heard.status, heard.error["code"]) == (403, "access_denied")
            assert [peer.state for peer in inviting.peers(site.directory)] == ["revoked"]
            filler.unlink()
            assert inviting.invite(site.directory, "there", "there:8444", "b", PeerLimits()).peer.state == "invited"
            assert [peer.state for peer in inviting.peers(site.directory)] == ["revoked", "invited"]

    def test_where_the_registry_cannot_even_be_opened_a_peer_is_out_all_the_same(small: Path) -> None:
        registry = Registry(small)
        peer, secret = registry.invite("b", PeerLimits())
        registry.register(peer.id, secret, "k")
        registry.close()
        filler = fill(small)
        with pytest.raises(StateFailed, match="'b' is let in no more, but that could not be written down"):
            inviting.revoke(small, "b")
        with pytest.raises(StateFailed):
            inviting.revoke(small, "nobody")
        os.unlink(filler)
        [found] = inviting.peers(small)
        assert found.state == "revoked"
        assert found.revoked_at >= found.joined_at


def test_peers_from_before_there_were_permits_have_one_now(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for name in ("b", "former"):
        registry.invite(name, PeerLimits())
    registry.revoke("former")
    with registry.database.writing() as connection:
        connection.execute("UPDATE peers SET permit = 0")
    registry.close()
    for path in (tmp_path / "permits").iterdir():
        path.unlink()
    registry = Registry(tmp_path)
    assert [peer.state for peer in registry.peers()] == ["invited", "revoked"]
    assert [path.name for path in (tmp_path / "permits").iterdir()] == [f"b.{registry.peers()[0].id}"]
    registry.close()
