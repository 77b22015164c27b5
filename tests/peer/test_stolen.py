"""A source host that was stolen with all that is on it: its credential for the serving site, its key and its state."""

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.installed import Host
from tests.peer.pair import HASTY, Served, SiteProcess
from tests.vault.worlds import bundle_of, forge
from understudy.engine import KeyFile, PeerLimits
from understudy.errors import AccessDenied, StoreRefused, StoreUnavailable
from understudy.local.key_files import unlock_of
from understudy.store.file import FileStore
from understudy.store.peer.store import PeerStore
from understudy.store.protocol import Creation
from understudy.vault.kinds import Failover
from understudy.vault.vault import Vault

MARK = b"nobody but the owner reads this "
QUOTA = 16 << 20


class Stolen(NamedTuple):
    owner: Host
    thief: Host
    site: Served
    vault: Path
    disk: Path

    def stored(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.vault.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stolen]:
    """A machine with two points at a serving site, and what a thief has of the host that it runs on."""
    here = tmp_path_factory.mktemp("stolen")
    process = SiteProcess(here / "there" / "peers", here / "vault")
    site = Served(here / "there" / "peers", here, process.start(), AsyncExitStack())
    owner, source = (Host(here / name, here, here / f"{name}.key") for name in ("owner", "source"))
    for host, limits in ((owner, PeerLimits(prefix="web", maintenance=True)), (source, PeerLimits(prefix="web", quota=QUOTA))):
        host.directory.mkdir()
        host.address = host.json("peer", "join", str(site.invited(host.directory.name, limits)))["url"]
    disk = here / "disk.img"
    disk.write_bytes(MARK * 1000 + random.Random(7).randbytes(4 << 20))
    owner.run("vault", "create", owner.url)
    owner.run("vault", "key", "add", "--role", "source", "--label", "source", "--new-key-file", str(source.key))
    source.run("protect", "web", "--disk", f"vda={disk}")
    for _ in range(2):
        source.run("replicate", "web")
    owner.run("retention", "set", "web", "--daily", "1")
    thief = Host(here / "thief", here, here / "thief.key", address=source.address)
    shutil.copytree(source.directory, thief.directory)
    shutil.copy(source.key, thief.key)
    yield Stolen(owner, thief, site, here / "vault", disk)
    process.stop()


def test_its_key_and_files_read_nothing_and_rule_nothing(stolen: Stolen, tmp_path: Path) -> None:
    owner, thief, before = stolen.owner, stolen.thief, stolen.stored()
    files = [path.read_bytes() for path in (*thief.directory.rglob("*"), thief.key) if path.is_file()]
    assert before
    assert not any(MARK in data for data in (*before.values(), *files))
    for words in (
        ("restore", "web", "--to", str(tmp_path / "out")),
        ("verify", "web", "--level", "digest"),
        ("retention", "set", "web", "--daily", "2"),
        ("prune", "web"),
        ("collect", "web", "--grace", "0"),
        ("vault", "key", "remove", "source", "--yes"),
        ("vault", "key", "add", "--role", "operator", "--label", "thief", "--new-key-file", str(tmp_path / "thiefs.key")),
    ):
        assert thief.json(*words, expect=5)["error"]["code"] == "access_denied"
    assert not list(tmp_path.rglob("*.raw"))
    after = stolen.stored()
    assert {path: after[path] for path in before} == before
    assert len(owner.json("points", "web")["points"]) == 2
    owner.run("restore", "web", "--to", str(tmp_path / "back"))
    assert (tmp_path / "back" / "vda.raw").read_bytes() == stolen.disk.read_bytes()


async def test_its_credential_changes_nothing_that_is_there_and_stays_in_its_prefix_and_quota(stolen: Stolen) -> None:
    before, site = stolen.stored(), stolen.site
    [credential] = (stolen.thief.directory / "state" / "peers").glob("*/credential.pem")
    store, vault = PeerStore(site.address, credential, HASTY), FileStore(stolen.vault)
    await vault.create("of-another/vault", [b"theirs"])
    names = [info.name async for info in store.list("")]
    assert {f"web/{name}" for name in names} == {info.name async for info in vault.list("web/")}
    for name in names:
        with pytest.raises(StoreRefused, match="may not delete"):
            await store.delete(name)
        assert await store.create(name, [b"forged"]) is Creation.EXISTS
    assert await store.head("of-another/vault") is None

    unlock = await asyncio.to_thread(unlock_of, KeyFile(path=str(stolen.thief.key)))
    opened = await Vault.open(store, unlock, stolen.thief.directory / "state")
    log, failover = await opened.find("web"), Failover(epoch=2, site="thief")
    primary = log.state.site
    with pytest.raises(AccessDenied):
        await log.append(failover)
    # With a program that lets it, nobody goes by the record.
    await forge(log, await bundle_of(opened, unlock), failover, vault=opened)
    await log.refresh()
    assert (log.state.epoch, log.state.site, [void.kind for void in log.state.void]) == (1, primary, ["failover"])

    refusals = []
    for number in range(QUOTA >> 20):
        try:
            await store.create(f"filler/{number}", [bytes(1 << 20)])
        except StoreUnavailable as error:
            refusals.append(error.message)
    assert refusals
    assert all("the quota is used up" in message for message in refusals)
    assert sum([info.size async for info in vault.list("web/")]) < QUOTA
    await store.close()
    await vault.close()
    after = stolen.stored()
    assert {path: after[path] for path in before} == before
