"""A point, or an initial replication, carried by hand: what arrives is proven, nothing is mixed, and deltas go on."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.local.ruins import Ruins
from understudy import engine
from understudy.app import open_engine
from understudy.errors import Conflict, IntegrityError, NotFound, RolledBack, UnderstudyError


@pytest.fixture
async def ruins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ruins:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    made = Ruins(tmp_path, np.random.default_rng(3))
    await made.create()
    await made.protect("web", 300_000)
    return made


def quiet(_: engine.Progress) -> None:
    """Nobody watches."""


async def export(ruins: Ruins, directory: Path, point: str | None, *, key: str = "operator", state: str = "state") -> engine.Seeded:
    async with ruins.engine(key, state) as opened:
        machine = (await opened.points("web")).machine.id
        return await opened.export_seed(engine.SeedExport(machine=machine, point=point, directory=str(directory)), quiet)


async def bring(ruins: Ruins, directory: Path, vault: Path, state: str = "state") -> engine.Seeded:
    connection = engine.Connection(
        vault=vault.as_uri(), state_dir=str(ruins.root / state), site="there", credential=engine.KeyFile(path=str(ruins.key("operator")))
    )
    async with open_engine(connection) as opened:
        return await opened.import_seed(engine.SeedImport(directory=str(directory)), quiet)


def moved(ruins: Ruins, vault: Path) -> Ruins:
    """The same site and keys, with the vault in another place."""
    return Moved(ruins.root, ruins.random, ruins.held, vault)


class Moved(Ruins):
    def __init__(self, root: Path, random: np.random.Generator, held: dict[str, dict[str, dict[str, bytes]]], place: Path) -> None:
        super().__init__(root, random, held)
        self._place = place

    @property
    def vault(self) -> Path:
        return self._place


async def must_name_both(keys: Ruins, seed: Path, ruins: Ruins, stranger: Ruins) -> None:
    """Whoever's key is given: it is the vault that is wrong, not the key."""
    with pytest.raises(Conflict, match="nothing was copied") as caught:
        await bring(keys, seed, stranger.vault)
    for vault in (ruins, stranger):
        async with vault.engine() as opened:
            assert (await opened.vault()).id in caught.value.message
    assert "--vault" in caught.value.hint


async def restorable(ruins: Ruins, state: str) -> set[str]:
    ((machine, points),) = ruins.held.items()
    async with ruins.engine(state=state) as opened:
        return {point for point in points if await ruins.restored(opened, machine, point)}


async def test_a_point_travels_and_deltas_go_on(ruins: Ruins, tmp_path: Path) -> None:
    await ruins.cycles("web", 6, 4)
    (held,) = ruins.held.values()
    newest = list(held)[-1]
    seed, elsewhere = tmp_path / "seed", tmp_path / "elsewhere"
    done = await export(ruins, seed, newest)
    assert (done.kind, done.copied, done.point and done.point.id) == ("point", done.objects, newest)
    assert (await export(ruins, seed, newest)).copied == 0
    assert newest in await restorable(moved(ruins, seed), "fresh")
    done = await bring(ruins, seed, elsewhere)
    assert done.copied == done.objects
    assert (await bring(ruins, seed, elsewhere)).copied == 0
    # The host goes on into the new place as if it had always been the one.
    there = moved(ruins, elsewhere)
    await there.cycles("web", 2, 5)
    assert set(list(held)[-3:]) <= await restorable(there, "another")
    async with there.engine() as opened:
        points = (await opened.points("web")).points
    assert [point.cause for point in points[-2:]] == ["delta", "delta"]
    assert sum(point.stored_bytes for point in points[-2:]) < 150_000
    # And what was made there comes back by the same way.
    await export(there, tmp_path / "back", list(held)[-1])
    done = await bring(ruins, tmp_path / "back", ruins.vault)
    assert 0 < done.copied < done.objects
    assert set(held) == await restorable(ruins, "yet-another")


async def test_an_initial_replication_travels(ruins: Ruins, tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    done = await export(ruins, seed, None, key="source", state="source-state")
    assert (done.kind, done.point) == ("initial", None)
    assert (done.objects, done.copied) != (0, 0)
    assert not list(ruins.vault.glob("machines/*/packs/*"))
    stranger = Ruins(tmp_path / "stranger", np.random.default_rng(4))
    stranger.root.mkdir()
    await stranger.create()
    await must_name_both(stranger, seed, ruins, stranger)
    with pytest.raises(Conflict, match="not in the vault yet"):
        await ruins.cycles("web", 1, 5)
    assert (await export(ruins, seed, None, key="source", state="source-state")).objects == done.objects
    assert (await bring(ruins, seed, ruins.vault)).copied == done.objects
    assert (await bring(ruins, seed, ruins.vault)).copied == 0
    await ruins.cycles("web", 3, 5)
    ((machine, held),) = ruins.held.items()
    assert await restorable(ruins, "fresh") == set(held)
    async with ruins.engine() as opened:
        points = (await opened.points("web")).points
        assert [point.cause for point in points] == ["initial", "delta", "delta"]
        assert not (await opened.verify(engine.Verify(machine=machine, points=tuple(held), level="digest"), quiet)).damage
    with pytest.raises(Conflict, match="of no use"):
        await bring(ruins, seed, ruins.vault)


async def test_an_initial_replication_that_was_carried_in_two_parts(ruins: Ruins, tmp_path: Path) -> None:
    await export(ruins, tmp_path / "one", None, key="source", state="source-state")
    with pytest.raises(Conflict, match="neither here nor"):
        await export(ruins, tmp_path / "other", None, key="source", state="source-state")


async def test_what_does_not_belong_together_is_refused(ruins: Ruins, tmp_path: Path) -> None:
    await ruins.cycles("web", 2, 30)
    newest = list(next(iter(ruins.held.values())))[-1]
    seed, full = tmp_path / "seed", tmp_path / "full"
    await export(ruins, seed, newest)
    full.mkdir()
    (full / "something").write_bytes(b"of mine")
    with pytest.raises(Conflict, match="not empty"):
        await bring(ruins, seed, full)
    stranger = Ruins(tmp_path / "stranger", np.random.default_rng(4))
    stranger.root.mkdir()
    await stranger.create()
    before = stranger.objects()
    for keys in (ruins, stranger):
        await must_name_both(keys, seed, ruins, stranger)
    with pytest.raises(Conflict, match="nothing was copied"):
        await export(ruins, stranger.vault, newest)
    assert stranger.objects() == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no seed"):
        await bring(ruins, tmp_path / "empty", ruins.vault)
    # Two copies that were both written to are two machines by now.
    copy = tmp_path / "copy"
    shutil.copytree(ruins.vault, copy)
    shutil.copytree(tmp_path / "source-state", tmp_path / "source-state-before")
    await ruins.cycles("web", 1, 3)
    shutil.rmtree(tmp_path / "source-state")
    (tmp_path / "source-state-before").rename(tmp_path / "source-state")
    there = moved(ruins, copy)
    await there.cycles("web", 1, 3)
    newest = list(next(iter(ruins.held.values())))[-1]
    shutil.rmtree(seed)
    shutil.rmtree(tmp_path / "state")
    await export(there, seed, newest)
    with pytest.raises(Conflict, match="two ways"):
        await bring(ruins, seed, ruins.vault)


async def test_a_damaged_seed_brings_nothing_wrong(ruins: Ruins, tmp_path: Path) -> None:
    """Every object of it, cut short: the import says so, and goes on when the seed is whole again."""
    await ruins.cycles("web", 2, 30)
    newest = list(next(iter(ruins.held.values())))[-1]
    seed = tmp_path / "seed"
    await export(ruins, seed, newest)
    there = moved(ruins, seed)
    for number, name in enumerate(there.objects()):
        elsewhere = tmp_path / f"elsewhere-{number}"
        with there.spoiled(name, "bit" if number % 2 else "truncation"):
            # A slot that is damaged is one key less; the import may be opened with another, and does not carry it.
            with pytest.raises(UnderstudyError) as caught:
                await bring(ruins, seed, elsewhere)
            assert isinstance(caught.value, IntegrityError), name
        await bring(ruins, seed, elsewhere)
        assert newest in await restorable(moved(ruins, elsewhere), f"fresh-{number}")
        shutil.rmtree(elsewhere)


async def test_a_seed_that_lost_a_pack_on_its_way_is_not_taken(ruins: Ruins, tmp_path: Path) -> None:
    await ruins.cycles("web", 2, 30)
    await export(ruins, tmp_path / "seed", list(next(iter(ruins.held.values())))[-1])
    there = moved(ruins, tmp_path / "seed")
    packs = [name for name in there.objects() if "/packs/" in name]
    assert packs
    for name in packs:
        with there.spoiled(name, "deletion"):
            with pytest.raises(IntegrityError, match="is missing"):
                await bring(ruins, tmp_path / "seed", tmp_path / "elsewhere")
            assert not [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    await bring(ruins, tmp_path / "seed", tmp_path / "elsewhere")


async def test_a_removed_key_does_not_come_back(ruins: Ruins, tmp_path: Path) -> None:
    await ruins.cycles("web", 2, 30)
    newest = list(next(iter(ruins.held.values())))[-1]
    await export(ruins, tmp_path / "seed", newest)
    async with ruins.engine() as opened:
        await opened.remove_key("safe")
    assert (await bring(ruins, tmp_path / "seed", ruins.vault)).copied == 0
    async with ruins.engine() as opened:
        assert "safe" not in {key.label for key in await opened.keys()}


async def test_an_older_point_is_not_gone_on_from(ruins: Ruins, tmp_path: Path) -> None:
    await ruins.cycles("web", 4, 4)
    (held,) = ruins.held.values()
    await export(ruins, tmp_path / "seed", list(held)[1])
    there = moved(ruins, tmp_path / "seed")
    async with there.engine(state="fresh") as opened:
        assert [point.id for point in (await opened.points("web")).points] == list(held)[:2]
    assert list(held)[1] in await restorable(there, "fresh")
    with pytest.raises(RolledBack):
        await there.cycles("web", 1, 1)
    # The newest makes a seed of the newest of it.
    await export(ruins, tmp_path / "seed", list(held)[-1])
    await there.cycles("web", 1, 1)
