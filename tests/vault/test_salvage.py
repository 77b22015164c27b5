"""A damaged log is read past the damage by those who only restore: nothing whole is out of their reach, and nothing can be appended."""

from pathlib import Path

import pytest

from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.errors import Conflict, IntegrityError
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.vault import Vault

SOURCE = KeyFile(bytes(range(1, 33)))
POINTS = [number.to_bytes(16, "big") for number in range(1, 5)]


async def made(root: Path) -> str:
    """One machine: protect, claim, point, point, failover, claim, point, point, by a source and an operator; its id."""
    vault = await Vault.create(FileStore(root / "vault", make=True), UNLOCK, state=root / "operator", patience=QUICK)
    await vault.keys.add("source", "host-a", SOURCE)
    source = await Vault.open(FileStore(root / "vault"), SOURCE, root / "source", patience=QUICK)
    log = await source.protect("web", "here")
    await log.claim("here")
    for point in POINTS[:2]:
        await log.append(a_point(point))
    theirs = await vault.find("web")
    await theirs.append(kinds.Failover(epoch=2, site="there"))
    await theirs.claim("there")
    for point in POINTS[2:]:
        await theirs.append(a_point(point))
    await source.close()
    await vault.close()
    return log.machine_id


async def read(root: Path, machine_id: str) -> tuple[list[bytes], list[str]]:
    """The points that a salvaging reader finds, and the names of what it had to do without."""
    vault = await Vault.open(FileStore(root / "vault"), UNLOCK, None, salvage=True)
    log = await vault.find(machine_id)
    points = [entry.point.id for entry in log.state.points]
    await vault.close()
    return points, [name for name, _ in vault.damage + log.damage]


@pytest.mark.parametrize("how", ["bit", "truncation", "deletion", "swap"])
async def test_every_record_but_the_damaged_one_still_counts(how: str, tmp_path: Path) -> None:
    machine_id = await made(tmp_path)
    assert await read(tmp_path, machine_id) == (POINTS, [])
    of_point = {3: POINTS[0], 4: POINTS[1], 7: POINTS[2], 8: POINTS[3]}
    for owner, last in ((names.machine(machine_id), 8), (names.SETTINGS, 2)):
        for seq in range(1, last + 1):
            path = tmp_path / "vault" / names.record(owner, seq)
            whole = path.read_bytes()
            path.chmod(0o600)
            if how == "deletion":
                path.unlink()
            else:
                other = tmp_path / "vault" / names.record(names.SETTINGS, 2 if owner != names.SETTINGS or seq == 1 else 1)
                path.write_bytes(
                    {"bit": whole[:50] + bytes([whole[50] ^ 4]) + whole[51:], "truncation": whole[:-5], "swap": other.read_bytes()}[how]
                )
            points, damaged = await read(tmp_path, machine_id)
            lost = of_point.get(seq) if owner != names.SETTINGS else None
            assert points == [point for point in POINTS if point != lost]
            # Nothing in a log tells that it ended later once: only who has seen it does.
            unseen = how == "deletion" and seq == last and owner != names.SETTINGS
            assert damaged == ([] if unseen else [names.record(owner, seq)])
            path.write_bytes(whole)


async def test_only_reading_goes_past_damage(tmp_path: Path) -> None:
    machine_id = await made(tmp_path)
    path = tmp_path / "vault" / names.record(names.machine(machine_id), 4)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:100])
    strict = await Vault.open(FileStore(tmp_path / "vault"), UNLOCK, tmp_path / "operator", patience=QUICK)
    with pytest.raises(IntegrityError):
        await strict.find("web")
    vault = await Vault.open(FileStore(tmp_path / "vault"), UNLOCK, tmp_path / "operator", patience=QUICK, salvage=True)
    log = await vault.find("web")
    with pytest.raises(Conflict, match="reading only"):
        await log.append(kinds.Note(text="no"))
    with pytest.raises(Conflict, match="reading only"):
        await log.claim("there")
