"""The vault's probe, against a real store: it tells what is wrong, and leaves nothing behind."""

import asyncio
import os

import pytest

from understudy.errors import StoreUnavailable
from understudy.failover.readiness import probe as module
from understudy.failover.readiness.checking import key_of
from understudy.failover.readiness.facts import KeySeen
from understudy.failover.readiness.probe import probed
from understudy.store.file import FileStore
from understudy.store.protocol import Creation
from understudy.vault import names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.vault import Vault

MACHINE = "1d" * 16


@pytest.fixture
async def vault(tmp_path):
    vault = await Vault.create(FileStore(tmp_path / "vault", make=True), KeyFile(os.urandom(32)), state=tmp_path / "state")
    yield vault
    await vault.close()


async def objects(vault):
    return [info.name async for info in vault.store.list("")]


async def test_a_vault_that_is_well(vault, tmp_path):
    before = await objects(vault)
    found = await probed(vault.store, vault.id, MACHINE, "here", tmp_path / "vault")
    assert found.failure is None
    assert found.written
    assert found.stamp is not None
    assert abs(found.stamp) < 300
    assert (await probed(vault.store, vault.id, MACHINE, "here", None)).stamp is None
    assert await objects(vault) == before


async def test_what_another_left(vault):
    """Killed before it had deleted it."""
    name = names.probe(MACHINE, module.hashlib.sha256(b"here").hexdigest()[:32])
    assert await vault.store.create(name, [b"left"]) is Creation.CREATED
    before = [found for found in await objects(vault) if found != name]
    assert (await probed(vault.store, vault.id, MACHINE, "here", None)).failure is None
    assert await objects(vault) == before


async def test_another_vault_and_none(vault, tmp_path):
    found = await probed(vault.store, "ab" * 16, MACHINE, "here", None)
    assert found.failure is not None
    assert "another vault" in found.failure.message
    store = FileStore(tmp_path / "none")
    found = await probed(store, vault.id, MACHINE, "here", None)
    await store.close()
    assert isinstance(found.failure, StoreUnavailable)


class Odd:
    """A real store, but for what `ways` says of its methods."""

    def __init__(self, store, **ways):
        self._store = store
        self.__dict__ |= ways

    def __getattr__(self, name):
        return getattr(self._store, name)


async def test_stores_that_refuse_lie_or_hang(vault, monkeypatch):
    before = await objects(vault)
    never = asyncio.Event()

    async def hangs(*_):
        while not never.is_set():
            try:
                await never.wait()
            except asyncio.CancelledError:
                continue

    async def refuses(*_):
        raise StoreUnavailable("read-only file system")

    async def exists(*_):
        return Creation.EXISTS

    real = vault.store.get

    async def garbles(name, start=0, length=None):
        return await real(name, start, length) if name == names.DESCRIPTOR else b"other"

    for way, words in (
        ({"create": refuses}, "read-only"),
        ({"create": exists}, "says that an object exists"),
        ({"get": garbles}, "something else than was stored"),
        ({"get": hangs}, "did not answer within"),
    ):
        if "did not" not in words:
            monkeypatch.setattr(module, "SECONDS", 30.0)
        else:
            monkeypatch.setattr(module, "SECONDS", 0.2)
        found = await probed(Odd(vault.store, **way), vault.id, MACHINE, "here", None)
        assert found.failure is not None
        assert words in found.failure.message
    never.set()
    assert await objects(vault) == before


async def test_what_a_key_may(vault, tmp_path):
    assert key_of(vault) == KeySeen("operator", "operator", True)
    poor = KeyFile(os.urandom(32))
    await vault.keys.add("source", "poor", poor)
    opened = await Vault.open(FileStore(tmp_path / "vault"), poor, None)
    assert key_of(opened) == KeySeen("source", "poor", False)
    await opened.close()
