"""Two hosts of one name, and what each may take for its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from understudy.engine import BlockSource
from understudy.errors import Conflict, SecondWriter, StateFailed
from understudy.local.claims import begin_claims, expect_claim, is_ours, must_be_ours, was_ours
from understudy.local.machine_file import write_source
from understudy.local.site import Site
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.memory import Memory
from understudy.vault.vault import Vault

UNLOCK = KeyFile(bytes(range(32)))
NAME = "localhost"


class Twins:
    """`first` protected machine `web`; both are called the same."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.first, self.second = Site(NAME, root / "first"), Site(NAME, root / "second")

    @asynccontextmanager
    async def log(self, site: Site) -> AsyncIterator[tuple[str, MachineLog]]:
        """As one run of a process opens it."""
        vault = await Vault.open(FileStore(self.root / "vault"), UNLOCK, site.state)
        try:
            yield vault.id, await vault.find("web")
        finally:
            await vault.close()

    async def claim(self, site: Site, *, adopt: bool = False) -> None:
        async with self.log(site) as (vault, log):
            expect_claim(vault, log, site, adopt=adopt)
            await log.claim(site.name, adopt=adopt)

    async def ours(self) -> tuple[bool, bool]:
        found = []
        for site in (self.first, self.second):
            async with self.log(site) as (vault, log):
                found.append(is_ours(vault, log.state, site))
        return found[0], found[1]


@pytest.fixture
async def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twins:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    vault = await Vault.create(FileStore(tmp_path / "vault", make=True), UNLOCK, state=tmp_path / "first")
    log = await vault.protect("web", NAME)
    made = Twins(tmp_path)
    begin_claims(vault.id, log, made.first)
    write_source(made.first.directory(vault.id, log.machine_id), BlockSource(disks={"vda": "/disk"}))
    await vault.close()
    return made


async def test_who_claims_first_has_it_until_the_other_adopts_it(twins: Twins) -> None:
    # Before the first claim nothing tells them apart, as after a protect that was killed.
    assert await twins.ours() == (True, True)
    await twins.claim(twins.first)
    assert await twins.ours() == (True, False)
    with pytest.raises(Conflict, match="another host that is called 'localhost'"):
        await twins.claim(twins.second)
    async with twins.log(twins.first) as (vault, running):
        expect_claim(vault, running, twins.first)
        await running.claim(NAME)
        await twins.claim(twins.second, adopt=True)
        with pytest.raises(SecondWriter):
            await running.append(kinds.Intent(id=b"i" * 16))
        with pytest.raises(Conflict) as caught:
            must_be_ours(vault, running.state, twins.first)
        assert "--adopt" in caught.value.hint
    assert await twins.ours() == (False, True)
    await twins.claim(twins.first, adopt=True)
    assert await twins.ours() == (True, False)


async def test_claims_that_never_came_to_be_give_nothing_up(twins: Twins) -> None:
    await twins.claim(twins.first)
    for _ in range(5):
        async with twins.log(twins.first) as (vault, log):
            expect_claim(vault, log, twins.first)
    assert await twins.ours() == (True, False)
    async with twins.log(twins.first) as (vault, log):
        expect_claim(vault, log, twins.first)
        # What was sent may arrive when later runs have begun already.
        async with twins.log(twins.first) as (_, later):
            expect_claim(vault, later, twins.first)
        await log.claim(NAME)
    assert await twins.ours() == (True, False)


async def test_a_failover_to_a_site_of_the_same_name_ends_it(twins: Twins) -> None:
    await twins.claim(twins.first)
    async with twins.log(twins.second) as (_, log):
        await log.append(kinds.Failover(epoch=2, site=NAME))
    assert await twins.ours() == (False, False)
    with pytest.raises(Conflict):
        await twins.claim(twins.first)
    await twins.claim(twins.second, adopt=True)
    assert await twins.ours() == (False, True)


async def test_who_followed_a_machine_before_claims_were_remembered_goes_on(twins: Twins) -> None:
    await twins.claim(twins.first)
    async with twins.log(twins.first) as (vault, log):
        remembered = Memory.of(twins.first.state, vault).claims(names.machine(log.machine_id))
    remembered.unlink()
    assert await twins.ours() == (True, False)
    async with twins.log(twins.first) as (vault, log):
        expect_claim(vault, log, twins.first)
    # Its own claim came to nothing: the one before is still known to be its own.
    assert await twins.ours() == (True, False)
    remembered.write_bytes(b"{")
    with pytest.raises(StateFailed, match="cannot be read"):
        await twins.ours()


async def test_a_machine_that_comes_back_stays_known_however_often_its_claim_fails(twins: Twins) -> None:
    await twins.claim(twins.first)
    async with twins.log(twins.first) as (_, log):
        await log.append(kinds.Failover(epoch=2, site="b", id=b"1" * 16))
        await log.append(kinds.Failover(epoch=3, site=NAME, mode="cancel", id=b"2" * 16))
    for _ in range(4):
        async with twins.log(twins.first) as (vault, log):
            expect_claim(vault, log, twins.first, adopt=True)
            assert was_ours(vault, log.state, twins.first)
