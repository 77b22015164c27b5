"""A vault in a bucket with object lock, a site that holds its points there, and a thief who has the site's credentials."""

import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.store.locking import DAY, LockServer
from understudy import app, engine
from understudy.errors import UnderstudyError
from understudy.local.engine import LocalEngine
from understudy.local.immutability import forget_immutability, kept_immutable
from understudy.local.site import Site
from understudy.vault import names
from understudy.vault.collect.collector import Collector
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

WEEK = 7 * DAY
HOUR = 3600.0


def unseen(_: engine.Progress) -> None:
    """Nobody watches."""


@dataclass
class Home:
    """A site with one machine, `web`, whose disk is a file."""

    root: Path
    server: LockServer
    bucket: str
    address: str

    async def opened(self, state: str = "state") -> LocalEngine:
        key = engine.KeyFile(path=str(self.root / "key"))
        connection = engine.Connection(vault=self.address, state_dir=str(self.root / state), site="here", credential=key)
        return LocalEngine(connection, app.parts(self.root / state))

    async def begin(self) -> None:
        local = await self.opened()
        await local.create_vault(engine.CreateVault(label="operator"))
        self.disk.write_bytes(random.Random(1).randbytes(300_000))
        await local.protect(engine.Protect(name="web", source=engine.BlockSource(disks={"vda": str(self.disk)})))
        await local.close()

    @property
    def disk(self) -> Path:
        return self.root / "vda"

    async def cycle(self) -> bytes:
        """What the point holds."""
        with self.disk.open("r+b") as disk:
            disk.seek(8192)
            disk.write(os.urandom(70_000))
        local = await self.opened()
        async with local.replicate("web") as replication:
            await replication.cycle(unseen)
        await local.close()
        return self.disk.read_bytes()

    async def log(self, local: LocalEngine) -> tuple[Vault, MachineLog]:
        vault = await local._opened()
        return vault, await vault.find("web")

    async def hold(self, seconds: float = WEEK) -> engine.Immutability:
        local = await self.opened()
        try:
            vault, log = await self.log(local)
            site = Site("here", self.root / "state")
            return await kept_immutable(app.parts(self.root / "state"), self.address, vault.id, log, site, seconds, HOUR)
        finally:
            await local.close()

    async def uncover(self, **request: bool) -> engine.Uncovered:
        connection = engine.Connection(vault=self.address, state_dir=str(self.root / "elsewhere"), site="there")
        return await app.uncover(connection, engine.Uncover(**request))

    async def restored(self) -> bytes:
        """The newest point's disk, by a site that never saw the vault."""
        local = await self.opened("elsewhere")
        point = (await local.points("web")).points[-1].id
        target = self.root / f"restored-{point[:8]}"
        request = engine.Restore(machine="web", point=point, format="raw", targets={"vda": str(target)}, overwrite=True)
        await local.restore(request, unseen)
        await local.close()
        return target.read_bytes()

    def names(self) -> list[str]:
        """What a reader sees, without what probes leave."""
        pages = self.server.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="a/vault/")
        found = [entry["Key"].removeprefix("a/vault/") for page in pages for entry in page.get("Contents", ())]
        return [name for name in found if not name.startswith(".probe/")]

    def steal(self) -> None:
        """Delete, overwrite and remove versions of all there is, as far as the server lets it."""
        client = self.server.client
        for number, name in enumerate(self.names()):
            key = f"a/vault/{name}"
            if number % 3 == 1:
                client.put_object(Bucket=self.bucket, Key=key, Body=b"theirs")
            for version in client.list_object_versions(Bucket=self.bucket, Prefix=key).get("Versions", ()):
                with suppress(client.exceptions.ClientError):
                    client.delete_object(Bucket=self.bucket, Key=key, VersionId=version["VersionId"], BypassGovernanceRetention=True)
            if number % 3 == 1:
                client.put_object(Bucket=self.bucket, Key=key, Body=b"theirs")
            else:
                client.delete_object(Bucket=self.bucket, Key=key)


@pytest.fixture
async def home(tmp_path: Path, lock_server: LockServer) -> Home:
    bucket = f"b-{os.urandom(6).hex()}"
    found = Home(tmp_path, lock_server, bucket, lock_server.bucket(bucket))
    await found.begin()
    return found


async def test_what_a_thief_did_to_a_held_vault_is_undone(home: Home) -> None:
    await home.cycle()
    data = await home.cycle()
    before = home.names()
    held = await home.hold()
    assert (held.wrong, held.covered, held.lost) == ((), 0, 0)
    assert held.objects == held.locked == len(before)
    assert held.until is not None
    assert held.until / 1e9 > time.time() + WEEK + DAY / 2
    again = await home.hold()
    assert (again.locked, again.until) == (0, held.until)

    home.steal()
    with pytest.raises(UnderstudyError):
        await home.restored()
    dry = await home.uncover(dry_run=True)
    assert dry.found == tuple(sorted(before))
    done = await home.uncover()
    assert (done.found, done.failed) == (dry.found, {})
    assert home.names() == before
    assert await home.restored() == data
    assert (await home.uncover()).found == ()
    assert (await home.hold()).covered == 0


async def test_what_is_covered_is_told_while_it_is_held(home: Home) -> None:
    await home.cycle()
    await home.hold()
    pack = next(name for name in home.names() if "/packs/" in name)
    home.server.client.delete_object(Bucket=home.bucket, Key=f"a/vault/{pack}")
    found = await home.hold()
    assert (found.covered, found.names) == (1, (pack,))
    # Who asks for longer gets it for what is covered, too.
    longer = await home.hold(2 * WEEK)
    assert (longer.covered, longer.locked) == (1, longer.objects)
    assert await home.uncover() == engine.Uncovered(
        objects=len(home.names()), dry_run=False, everything=False, found=(pack,), unlocked=(), failed={}
    )


async def test_points_are_shown_with_what_is_known_of_them(home: Home) -> None:
    await home.cycle()
    held = await home.hold()
    await home.cycle()
    local = await home.opened()
    vault, log = await home.log(local)
    assert [point.immutable_until for point in (await local.points("web")).points] == [held.until, None]
    await local.close()
    forget_immutability(Site("here", home.root / "state"), vault.id, log.machine_id)
    local = await home.opened()
    assert {point.immutable_until for point in (await local.points("web")).points} == {None}
    await local.close()


async def test_a_collection_leaves_what_is_locked_and_takes_it_when_the_lock_has_ended(home: Home) -> None:
    for _ in range(3):
        data = await home.cycle()
    await home.hold()
    local = await home.opened()
    vault, log = await home.log(local)
    await local.set_retention(engine.SetRetention(machine="web", policy=engine.Policy(least=1)))
    await local.prune(engine.Prune(machine="web"))
    before = home.names()
    done = await local.collect(engine.Collect(machine="web", grace_seconds=0))
    assert done.locked.objects > 0
    assert done.deleted.objects == 0
    assert set(before) <= set(home.names())
    # What is condemned is not held any longer, and new objects are.
    held = await home.hold(2 * WEEK)
    assert held.locked == held.objects == len(home.names()) - done.locked.objects
    await log.refresh()
    gone = {f"{names.machine(log.machine_id)}/{name}" for condemned in log.state.condemned for name in condemned.names}
    directory = Site("here", home.root / "state").directory(vault.id, log.machine_id) / "collect"
    locks = app.parts(home.root).open_locks(home.address)
    later = await Collector(vault, log, directory, 0, locks=locks, wall=lambda: time.time() + 4 * WEEK).run()
    assert (later.deleted[0], later.locked) == (done.locked.objects, (0, 0))
    assert not gone & set(home.names())
    await locks.close()
    await local.close()
    assert await home.restored() == data


async def test_a_rule_of_the_bucket_saves_the_requests(tmp_path: Path, lock_server: LockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    address = lock_server.bucket("ruled-home", mode="COMPLIANCE", days=10)
    home = Home(tmp_path, lock_server, "ruled-home", address)
    await home.begin()
    with monkeypatch.context() as patched:
        patched.setattr("understudy.vault.immutable.decide.NEAR", 0.0)  # what follows is to be younger than the rule
        await home.hold()
    before = len(home.names())
    await home.cycle()
    held = await home.hold()
    assert held.first_seconds == 10 * DAY
    assert (held.objects, held.locked) == (len(home.names()), 0)
    # Without a checksum Amazon refuses what a rule of the bucket shall lock; this server does not ask for one.
    heads = [lock_server.client.head_object(Bucket="ruled-home", Key=f"a/vault/{name}", ChecksumMode="ENABLED") for name in home.names()]
    assert all("ChecksumSHA256" in head for head in heads)
    assert len(home.names()) > before
    # The rule is taken back, and given again: what is new was not locked, and that is found out.
    for rule in ({}, {"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 10}}}):
        configuration = {"ObjectLockEnabled": "Enabled", **rule}
        lock_server.client.put_object_lock_configuration(Bucket="ruled-home", ObjectLockConfiguration=configuration)
        if not rule:
            await home.cycle()
    unlocked = {
        name for name in home.names() if "ObjectLockMode" not in lock_server.client.head_object(Bucket="ruled-home", Key=f"a/vault/{name}")
    }
    assert unlocked
    assert (await home.hold()).locked >= len(unlocked)
    assert all("ObjectLockMode" in lock_server.client.head_object(Bucket="ruled-home", Key=f"a/vault/{name}") for name in unlocked)


async def test_nothing_is_held_on_a_server_that_lies(tmp_path: Path, lying_server: LockServer) -> None:
    home = Home(tmp_path, lying_server, "deletes-too", lying_server.bucket("deletes-too"))
    await home.begin()
    await home.cycle()
    found = await home.hold()
    assert (found.until, found.objects) == (None, 0)
    assert ["deleted what was locked" in wrong for wrong in found.wrong] == [True]
    heads = [lying_server.client.head_object(Bucket="deletes-too", Key=f"a/vault/{name}") for name in home.names()]
    assert all("ObjectLockMode" not in head for head in heads)


async def test_a_disk_cannot_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    home = Home(tmp_path, None, "", f"file://{tmp_path}/vault")  # type: ignore[arg-type]
    await home.begin()
    found = await home.hold()
    assert ["file://" in wrong for wrong in found.wrong] == [True]
    assert found.hint


async def test_an_interrupted_creation_is_not_what_comes_back(tmp_path: Path, lock_server: LockServer) -> None:
    address = lock_server.bucket("tried-twice", mode="COMPLIANCE", days=10)
    for name in ("vault", "settings/log/0000000000000001"):
        lock_server.client.put_object(Bucket="tried-twice", Key=f"a/vault/{name}", Body=b"the first try")
        lock_server.client.delete_object(Bucket="tried-twice", Key=f"a/vault/{name}")
    home = Home(tmp_path, lock_server, "tried-twice", address)
    await home.begin()
    data = await home.cycle()
    assert (await home.hold()).covered == 0
    assert (await home.uncover()).found == ()
    home.steal()
    assert "vault" in (await home.uncover()).found
    assert await home.restored() == data


async def test_where_nothing_was_held_that_is_said(tmp_path: Path, lock_server: LockServer) -> None:
    """What is looked at needs no vault."""
    name, client = f"b-{os.urandom(6).hex()}", lock_server.client
    home = Home(tmp_path, lock_server, name, lock_server.bucket(name, lock=False))
    client.put_object(Bucket=name, Key="a/vault/vault", Body=b"ours")
    client.delete_object(Bucket=name, Key="a/vault/vault")
    assert "none of its objects has versions: what somebody deleted or overwrote there is gone" in (await home.uncover()).doubt
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=name, Key="a/vault/vault", Body=b"ours")
    client.delete_object(Bucket=name, Key="a/vault/vault")
    assert "nothing was held, and what its versions still have comes back with --all alone" in (await home.uncover()).doubt
