"""What is damaged in a copy is found, and is what it was again, but for what the vault has not whole either."""

import os
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from tests.local.ruins import Ruins
from understudy.errors import IntegrityError
from understudy.local.second_proof import Proven, proven_copy
from understudy.local.site import Site
from understudy.store.file import FileStore
from understudy.store.protocol import Capabilities, ObjectStore
from understudy.vault import names
from understudy.vault.copy.copier import Copier
from understudy.vault.copy.leap import drop_staged
from understudy.vault.copy.place import begin_copy, finish_copy
from understudy.vault.copy.whole import needs
from understudy.vault.vault import Vault


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here


@pytest.fixture
async def ruins(tmp_path: Path) -> Ruins:
    """A vault with maps and a trimmed log, and a copy of it, `second`."""
    made = Ruins(tmp_path, np.random.default_rng(3))
    await made.create()
    await made.protect("web", 200_000)
    await made.cycles("web", 4, 30)
    await made.age("web")
    vault = await Vault.open(FileStore(made.vault), made.unlock("operator"), None)
    second = FileStore(tmp_path / "second", make=True)
    await begin_copy(vault, second)
    copier = Copier(vault, second)
    await copier.settings(slots=False)
    await finish_copy(vault, copier.ferry)
    for log in await vault.logs():
        await copier.machine(log)
        assert await drop_staged(second, names.machine(log.machine_id), 0)
    return made


class AppendOnly(FileStore):
    capabilities = Capabilities("append-only", deletes=False)


async def proven(ruins: Ruins, store: ObjectStore | None = None) -> Proven:
    vault = await Vault.open(FileStore(ruins.vault), ruins.unlock("source"), None)
    (log,) = await vault.logs()

    async def opened(store: ObjectStore) -> Vault:
        return await Vault.open(store, ruins.unlock("source"), None)

    return await proven_copy(vault, log, store or FileStore(ruins.root / "second"), opened, Site("here", ruins.root / "state"))


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    path.chmod(0o600)
    if how == "deletion":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if how == "bit" else data[: len(data) // 2])


def found(ruins: Ruins, kind: str) -> list[Path]:
    return sorted(path for path in (ruins.root / "second").glob(f"machines/*/{kind}/*") if path.is_file())


async def test_what_is_damaged_comes_from_the_vault_again(ruins: Ruins) -> None:
    hows = cycle(("bit", "truncation", "deletion"))
    done = await proven(ruins)
    assert (done.healed, done.proof.damage, done.proof.after) == (0, "", "")
    assert done.proof.bytes > 100_000
    for kind in ("packs", "maps", "objects", "log"):
        # The last record may be missing in any copy that is behind.
        for path in found(ruins, kind)[1 : -1 if kind == "log" else None]:
            whole = path.read_bytes()
            how = next(hows)
            spoil(path, how)
            done = await proven(ruins)
            needed = path.exists() and path.read_bytes() == whole
            assert (done.healed == 1 and needed) or (done.healed == 0 and "objects" in str(path)), (kind, how, done)
            assert done.proof.damage == ""
            path.unlink(missing_ok=True)
            path.write_bytes(whole)


async def test_nothing_is_healed_from_damage_or_where_nothing_may_be_deleted_and_it_stays_known(ruins: Ruins) -> None:
    path = max(found(ruins, "packs"), key=lambda path: path.stat().st_size)
    whole, ours = path.read_bytes(), ruins.vault / path.relative_to(ruins.root / "second")
    spoil(path, "bit")
    spoil(ours, "bit")
    damaged = path.read_bytes()
    for _ in range(2):
        done = await proven(ruins)
        assert done.healed == 0
        assert path.name in done.proof.damage
        assert "not whole either" in done.proof.damage
        assert path.read_bytes() == damaged
    ours.write_bytes(whole)
    assert "deletes nothing" in (await proven(ruins, AppendOnly(ruins.root / "second"))).proof.damage
    assert path.read_bytes() == damaged
    done = await proven(ruins)
    assert (done.healed, done.proof.damage, path.read_bytes()) == (1, "", whole)


async def test_only_some_of_it_is_read_each_time_and_all_in_the_end(ruins: Ruins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.local.second_proof.MOST", 1)
    packs = [path for path in found(ruins, "packs") if str(path.relative_to(ruins.root / "second")) not in ruins.unneeded]
    spoil(packs[-1], "bit")
    rounds = 0
    while not (done := await proven(ruins)).healed:
        assert done.proof.objects == 1
        rounds += 1
    assert 0 < rounds < 100


async def test_what_copying_trips_over_is_damage_and_is_healed(ruins: Ruins) -> None:
    vault = await Vault.open(FileStore(ruins.vault), ruins.unlock("operator"), None)
    (log,) = await vault.logs()
    copier = Copier(vault, FileStore(ruins.root / "second"))
    last, pack = found(ruins, "log")[-1], next(one for one in (await needs(vault, log)).there if "/packs/" in one.name)
    whole = last.read_bytes()
    for how in ("bit", "truncation"):
        spoil(last, how)
        copier.forget(log)
        with pytest.raises(IntegrityError, match=last.name):
            await copier.machine(log)
        assert ((await proven(ruins)).healed, last.read_bytes()) == (1, whole)
        await copier.machine(log)
    spoil(ruins.root / "second" / pack.name, "truncation")
    with pytest.raises(IntegrityError, match=pack.name):
        await copier.ferry.bring([pack], look=True)
    assert (await proven(ruins)).healed == 1
    await copier.ferry.bring([pack], look=True)
