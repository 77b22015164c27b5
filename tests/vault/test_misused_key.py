"""What a stolen source key can append: whatever it is, the key can be taken away, and then the machine's history is as it was."""

from pathlib import Path

import msgspec
import pytest

from tests.faults import FaultyStore
from tests.vault.worlds import QUICK, a_point, bundle_of, forge
from understudy.errors import IntegrityError, InvalidRequest, Unsupported
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.kinds import Body
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

THIEF = KeyFile(b"t" * 32)


class AnyPoint(Body, frozen=True, kw_only=True):
    """A point of which nothing has been checked."""

    kind = "point"
    id: object
    parent: bytes = b""
    generation: bytes = bytes(16)
    frozen_at: object = 0
    consistency: str = "crash"
    method: str = "scan"
    cause: str = "delta"
    disks: tuple[object, ...] = ()
    packs: tuple[object, ...] = ()


class Unheard(Body, frozen=True, kw_only=True):
    """Of no version that there ever was."""

    kind = "unheard-of"


DISK = {"id": b"d" * 16, "name": "vda", "size": 1, "sector": 512, "digest": bytes(16)}
PACK = {"id": b"p" * 16, "size": 500, "hash": bytes(32)}
NONSENSE: dict[str, Body] = {
    "a disk that is named like a path": AnyPoint(id=b"2" * 16, disks=({**DISK, "name": "../../etc/cron.d/x"},)),
    "a disk without a name": AnyPoint(id=b"2" * 16, disks=({**DISK, "name": ""},)),
    "a disk whose name speaks to terminals": AnyPoint(id=b"2" * 16, disks=({**DISK, "name": "vda\x1b[2J"},)),
    "a disk of negative size": AnyPoint(id=b"2" * 16, disks=({**DISK, "size": -1},)),
    "a disk's short digest": AnyPoint(id=b"2" * 16, disks=({**DISK, "digest": b"x"},)),
    "a pack without an id": AnyPoint(id=b"2" * 16, packs=({**PACK, "id": b""},)),
    "a pack of a long id": AnyPoint(id=b"2" * 16, packs=({**PACK, "id": bytes(2000)},)),
    "a point of another length": AnyPoint(id=b"2"),
    "a point frozen when no calendar goes": AnyPoint(id=b"2" * 16, frozen_at=(1 << 64) - 1),
    "an unknown kind": Unheard(),
}


@pytest.fixture
async def theirs(vault: Vault, store: FaultyStore, tmp_path: Path) -> MachineLog:
    """A machine with one point that its source made."""
    await vault.keys.add("source", "host-a", THIEF)
    source = await Vault.open(store, THIEF, tmp_path / "source", patience=QUICK)
    log = await source.protect("web", "host-a")
    await log.claim("host-a")
    await log.append(a_point(b"1" * 16))
    return log


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_ends_with_its_key(vault: Vault, store: FaultyStore, theirs: MachineLog, tmp_path: Path, what: str) -> None:
    source = await Vault.open(store, THIEF, tmp_path / "source", patience=QUICK)
    await forge(theirs, await bundle_of(source, THIEF), NONSENSE[what], writer=theirs.writer, vault=vault)
    with pytest.raises((IntegrityError, Unsupported)) as refused:
        await vault.find("web")
    assert "key remove" in refused.value.hint
    await remove(vault, "host-a")
    log = await vault.find("web")
    assert [entry.point.id for entry in log.state.points] == [b"1" * 16]
    await log.claim("host-b", adopt=True)
    await log.append(a_point(b"3" * 16, parent=b"1" * 16))
    assert log.state.points[-1].point.id == b"3" * 16


async def remove(vault: Vault, label: str) -> None:
    (slot,) = [slot for slot in await vault.keys.list() if slot.label == label]
    assert (await vault.keys.remove(slot.id)).revoked


async def test_our_own_program_writes_no_nonsense(theirs: MachineLog) -> None:
    wrong = msgspec.structs.replace(a_point(b"2" * 16).disks[0], name="a/b")
    with pytest.raises(InvalidRequest):
        await theirs.append(msgspec.structs.replace(a_point(b"2" * 16), disks=(wrong,)))
    await theirs.refresh()
    assert len(theirs.state.points) == 1
