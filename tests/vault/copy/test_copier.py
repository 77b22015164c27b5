"""A copy is a vault at every instant, holds what the vault holds, and goes by nothing but what its own log says."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Call, FaultyStore
from tests.local.ruins import Ruins
from understudy.errors import Conflict, Diverged, IntegrityError, NotFound, StoreUnavailable, UnderstudyError
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectStore
from understudy.vault import kinds, names
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.trimming import TAIL, Tail
from understudy.vault.collect.witness import Now
from understudy.vault.copy.copier import Copier
from understudy.vault.copy.marker import Marker, encode
from understudy.vault.copy.place import begin_copy, finish_copy
from understudy.vault.copy.slots import drop_revoked
from understudy.vault.copy.whole import lacks
from understudy.vault.log.patience import Patience
from understudy.vault.vault import Vault


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    monkeypatch.setattr("understudy.vault.copy.ferry._PATIENCE", Patience(1))


@dataclass
class World:
    ruins: Ruins
    root: Path

    async def vault(self) -> Vault:
        return await Vault.open(FileStore(self.ruins.vault), self.ruins.unlock("operator"), self.root / "state")

    def store(self, name: str = "second") -> FaultyStore:
        return FaultyStore(FileStore(self.root / name, make=True))

    async def copy(self, store: ObjectStore) -> Vault:
        return await Vault.open(store, self.ruins.unlock("operator"), None)

    async def brought(self, store: ObjectStore, vault: Vault | None = None) -> Copier:
        """As a process does it that begins here and ends here."""
        vault = vault or await self.vault()
        logs = await vault.logs()
        await begin_copy(vault, store)
        copier = Copier(vault, store)
        await copier.settings(slots=False)
        await finish_copy(vault, copier.ferry)
        for log in logs:
            await copier.machine(log)
        return copier

    async def must_be_the_same(self, store: ObjectStore) -> None:
        vault, copy = await self.vault(), await self.copy(store)
        for log in await vault.logs():
            other = await copy.find(log.machine_id)
            assert other.head == log.head
            assert other.state.points == log.state.points
            assert await lacks(copy, other) == ()


@pytest.fixture
async def world(tmp_path: Path) -> World:
    ruins = Ruins(tmp_path, np.random.default_rng(3))
    await ruins.create()
    await ruins.protect("web", 300_000)
    await ruins.cycles("web", 2, 4)
    return World(ruins, tmp_path)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


async def test_what_was_repacked_and_trimmed_comes_over_and_every_point_can_be_restored(world: World, tmp_path: Path) -> None:
    store = world.store()
    await world.ruins.cycles("web", 3, 40)
    await world.brought(store)
    await world.ruins.age("web")
    await world.brought(store)
    await world.must_be_the_same(store)
    fresh = world.store("third")  # its log begins at the trim
    await world.brought(fresh)
    await world.must_be_the_same(fresh)
    await world.ruins.age("web")  # what this trims the copies have not
    shutil.rmtree(world.ruins.vault / "keys")  # nothing is concluded from what the vault lacks
    shutil.copytree(tmp_path / "second" / "keys", world.ruins.vault / "keys")
    for name in ("second", "third"):
        await world.brought(world.store(name))
        await world.must_be_the_same(world.store(name))
        shutil.rmtree(tmp_path / "lost", ignore_errors=True)
        world.ruins.vault.rename(tmp_path / "lost")
        (tmp_path / name).rename(world.ruins.vault)
        async with world.ruins.engine(state=f"state-{name}") as opened:
            ((machine, points),) = world.ruins.held.items()
            assert {point for point in points if await world.ruins.restored(opened, machine, point)} == set(points)
        world.ruins.vault.rename(tmp_path / name)
        (tmp_path / "lost").rename(world.ruins.vault)


async def test_cut_off_at_any_write_the_copy_is_whole_as_far_as_it_goes_and_goes_on(world: World, tmp_path: Path) -> None:
    whole, vault, left = world.store("whole"), await world.vault(), [0]
    await world.brought(whole, vault)

    def one_more(call: Call) -> None:
        if call.op == "create" and not (tmp_path / "second" / call.name).exists():
            if not left[0]:
                raise StoreUnavailable("as if it had been killed here")
            left[0] -= 1

    seen, runs = set(), 0
    while True:
        place, left[0] = world.store(), 1
        place.before = one_more
        try:
            await world.brought(place, vault)
        except StoreUnavailable:
            runs += 1
        else:
            break
        if (tmp_path / "second" / names.DESCRIPTOR).exists():
            copy = await world.copy(world.store())
            for log in await copy.logs():
                seen.add(len(log.state.points))
                assert await lacks(copy, log) == ()
    assert files(tmp_path / "second") == files(tmp_path / "whole")
    assert runs == len(files(tmp_path / "whole")) - 1
    assert seen == {0, 1}


async def test_what_is_new_is_asked_for_alone_and_nothing_is_listed(world: World) -> None:
    store = world.store()
    copier = await world.brought(store)
    (log,) = await copier.vault.logs()
    await copier.machine(log)
    await copier.settings(slots=False)
    store.plan()
    before = copier.ferry.copied
    await world.ruins.cycles("web", 1, 4)
    await log.refresh()
    await copier.settings(slots=False)
    await copier.machine(log)
    sent = [call.name for call in store.calls if call.op == "create"]
    assert sorted(sent)[0].startswith(f"machines/{log.machine_id}/")
    assert sent[-1] == names.record(names.machine(log.machine_id), log.head.seq)
    assert len(sent) == copier.ferry.copied[0] - before[0] <= 6
    assert not [call for call in store.calls if call.op == "list"]
    assert len(store.calls) <= len(sent) + 4


async def test_a_copy_that_was_written_to_is_refused_by_name(world: World, tmp_path: Path) -> None:
    store = world.store()
    await world.brought(store)
    store_of_a_rogue = FileStore(tmp_path / "second")
    await store_of_a_rogue.delete(names.COPY)  # so that it takes itself for the vault
    rogue = await Vault.open(store_of_a_rogue, world.ruins.unlock("operator"), tmp_path / "rogue")
    log = (await rogue.logs())[0]
    await log.append(kinds.Note(text="I am the vault"))
    vault = await world.vault()
    await store.create(names.COPY, [encode(Marker.new(vault.id))])
    for _ in range(2):
        with pytest.raises(Diverged, match="somebody has written"):
            await world.brought(store)
        await world.ruins.cycles("web", 1, 4)  # with a record of the vault's in that place, too


async def test_places_that_are_not_this_vaults_copy_are_left_alone(world: World, tmp_path: Path) -> None:
    vault = await world.vault()
    for prepare, error in (
        (lambda place: None, StoreUnavailable),
        (lambda place: (place / "vault").write_bytes((world.ruins.vault / "vault").read_bytes()), Conflict),
        (lambda place: (place / "copy").write_bytes(encode(Marker.new(vault.id))[:-1]), IntegrityError),
    ):
        shutil.rmtree(tmp_path / "place", ignore_errors=True)
        (tmp_path / "place").mkdir()
        prepare(tmp_path / "place")
        before = files(tmp_path / "place")
        with pytest.raises(error):
            await Copier(vault, world.store("place")).settings()
        if before:
            with pytest.raises(UnderstudyError):
                await begin_copy(vault, world.store("place"))
        assert files(tmp_path / "place") == before
    other = Ruins(tmp_path / "other", np.random.default_rng(4))
    other.root.mkdir()
    await other.create()
    stranger = await Vault.open(FileStore(other.vault), other.unlock("operator"), None)
    await begin_copy(stranger, world.store("strangers"))
    for url in ("strangers", "other/vault"):
        with pytest.raises(Conflict, match=stranger.id):
            await Copier(vault, world.store(url)).settings()


async def test_nothing_is_appended_to_a_copy(world: World, tmp_path: Path) -> None:
    store = world.store()
    await world.brought(store)
    copy = await Vault.open(store, world.ruins.unlock("operator"), tmp_path / "elsewhere")
    (log,) = await copy.logs()
    with pytest.raises(Conflict, match="copy of the vault"):
        await log.append(kinds.Note(text="hello"))
    with pytest.raises(Conflict, match="copy of the vault"):
        await copy.protect("another", "here")


@pytest.mark.parametrize("how", ["bit", "deletion"])
async def test_what_is_damaged_in_the_vault_does_not_come_over(world: World, how: str) -> None:
    pack = next(name for name in world.ruins.objects() if "/packs/" in name)
    store = world.store()
    with world.ruins.spoiled(pack, how), pytest.raises((IntegrityError, NotFound), match=pack.rpartition("/")[2]):
        await world.brought(store)
    copy = await world.copy(store)
    assert [log.state.points for log in await copy.logs()] in ([], [()])
    assert pack not in files(world.root / "second")
    await world.brought(store)
    await world.must_be_the_same(store)


async def test_objects_go_by_the_copys_own_log_alone_and_after_their_grace(world: World, tmp_path: Path) -> None:
    store, clock = world.store(), [1000.0]
    await world.brought(store)
    whole = files(tmp_path / "second")

    async def carried_out() -> set[str]:
        """What went."""
        before, copy = files(tmp_path / "second"), await world.copy(store)
        (log,) = await copy.logs()
        (tmp_path / "seen").mkdir(exist_ok=True)
        done = await Collector(copy, log, tmp_path / "seen", 0, clock=lambda: Now("boot", clock[0])).carry_out()
        went = before - files(tmp_path / "second")
        assert done.deleted[0] + done.swept[0] == len(went)
        return went

    async def collected(grace: int, tail: Tail) -> set[str]:
        """All was written over, and all points but the newest go; what the vault has condemned with this grace."""
        vault = await world.vault()
        log = await vault.find("web")
        await log.append(kinds.Prune(points=tuple(entry.point.id for entry in log.state.points[:-1])))
        await Collector(vault, log, tmp_path, grace, tail=tail).run()
        names_ = (name for condemned in log.state.condemned if condemned.grace == grace for name in condemned.names)
        return {f"machines/{log.machine_id}/{name}" for name in names_}

    for _ in range(2):
        await world.ruins.cycles("web", 2, 400)
        at_once = await collected(0, Tail(1, 1))  # which trims what was said of the one before
    unnamed = {name for name in whole - set(world.ruins.objects()) - at_once if "/log/" not in name and name != names.COPY}
    assert unnamed
    assert await carried_out() == set()  # whatever the vault lacks
    await world.brought(store)
    went = await carried_out()
    assert any("/log/" in name for name in went)
    assert {name for name in went if "/log/" not in name} == at_once & whole
    await world.ruins.cycles("web", 2, 400)
    await world.brought(store)
    later = await collected(3600, TAIL) & files(tmp_path / "second")
    assert any("/packs/" in name for name in later)
    assert await carried_out() == set()
    await world.brought(store)
    assert await carried_out() == set()
    clock[0] += 3599
    assert await carried_out() == set()
    clock[0] += 2
    assert await carried_out() == later
    clock[0] += 31 * 86400
    assert await carried_out() >= unnamed
    await world.must_be_the_same(store)


async def test_a_revoked_keys_slot_does_not_open_the_copy(world: World) -> None:
    store = world.store()
    await world.brought(store)
    vault = await world.vault()
    slots = {slot.label: slot for slot in await vault.keys.list()}
    await vault.keys.remove(slots["safe"].id)
    await world.brought(store)
    copy = await world.copy(store)
    assert await drop_revoked(store, copy.settings) == 1
    assert await store.head(names.slot(slots["safe"].id)) is None
    assert await store.head(names.slot(slots["ops"].id)) is not None


async def test_maps_that_nothing_is_made_of_any_more_are_not_remembered(world: World, tmp_path: Path) -> None:
    copier = await world.brought(world.store())
    vault = copier.vault
    (log,) = await vault.logs()
    remembered = copier._of(log)
    for _ in range(3):
        await world.ruins.cycles("web", 17, 1)
        await copier.settings(slots=False)
        await log.refresh()
        await copier.machine(log)
        assert remembered._maps
        await log.append(kinds.Prune(points=tuple(entry.point.id for entry in log.state.points[:-3])))
        await Collector(vault, log, tmp_path, 0).run()
        await copier.machine(log)
        there = files(world.ruins.vault)
        assert {name for name in remembered._maps if name not in there} == set()
        assert {id_ for id_, _ in remembered._pages if names.checkpoint(log.machine_id, id_.hex()) not in there} == set()
