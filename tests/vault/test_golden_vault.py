"""A vault that an earlier version wrote opens for ever, and says the same."""

import shutil
from pathlib import Path

import pytest

from tests.vault.golden import DEFINITION, OPERATOR_KEY, OPERATOR_PASSPHRASE, POINTS, REVOKED_KEY, SOURCE_KEY
from tests.vault.golden import make as make_golden
from understudy.errors import AccessDenied
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile, Unlock
from understudy.vault.log.side_object import get_side_object
from understudy.vault.vault import Vault

GOLDEN = Path(__file__).parents[1] / "golden" / "vault"


async def says_what_it_should(vault: Vault) -> None:
    log = await vault.find("web")
    state = log.state
    assert (state.name, state.site, state.epoch, state.writer) == ("web", "host-c", 2, state.claims[-1].writer)
    assert [(entry.seq, entry.point.id, entry.inlined) for entry in state.points] == [
        (4, POINTS[0].id, 8),
        (5, POINTS[1].id, 8),
        (12, POINTS[2].id, 8),
    ]
    assert [await log.inline(entry.seq) for entry in state.points] == [b"inline 1", b"inline 2", b"inline 3"]
    assert state.points[0].point.disks == POINTS[0].disks
    assert [(claim.seq, claim.epoch, claim.site) for claim in state.claims] == [(2, 1, "host-a"), (11, 2, "host-c")]
    assert state.holds == (kinds.Hold(id=b"h" * 16, point=POINTS[0].id, reason="golden"),)
    assert state.checkpoints == (kinds.Checkpoint(point=POINTS[0].id, id=b"c" * 16, size=100, directory=(40, 60)),)
    assert [(void.seq, void.kind, void.reason) for void in state.void] == [(9, "failover", "the role source may not append a failover")]
    assert log.head.seq == 13
    assert state.definition is not None
    assert await get_side_object(vault.store, vault.access, names.machine(state.id), "definition", state.definition) == DEFINITION
    assert {(member.name, member.role, member.revoked is None) for member in vault.settings.members.values()} == {
        ("chief", "operator", True),
        ("host-a", "source", True),
        ("host-b", "source", False),
    }


async def opened(root: Path, unlock: Unlock) -> Vault:
    return await Vault.open(FileStore(root), unlock, None)


@pytest.mark.parametrize("unlock", [OPERATOR_KEY, OPERATOR_PASSPHRASE, SOURCE_KEY], ids=["key-file", "passphrase", "source"])
async def test_the_golden_vault(unlock: Unlock) -> None:
    vault = await opened(GOLDEN, unlock)
    assert vault.id == "6463279db2537c40f886c9d25217e992"
    await says_what_it_should(vault)
    assert sorted((slot.label, slot.role, slot.opens_with, slot.trusted) for slot in await vault.keys.list()) == [
        ("chief", "operator", "key-file", True),
        ("chief", "operator", "passphrase", True),
        ("host-a", "source", "key-file", True),
    ]
    await vault.close()


async def test_it_goes_on(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "vault")
    vault = await Vault.open(FileStore(tmp_path / "vault"), OPERATOR_KEY, tmp_path / "state")
    log = await vault.find("web")
    await log.append(kinds.Note(text="and on"))
    assert log.head.seq == 14
    await vault.close()


@pytest.mark.parametrize("unlock", [REVOKED_KEY, KeyFile(bytes(32))])
async def test_keys_that_open_nothing(unlock: Unlock) -> None:
    with pytest.raises(AccessDenied):
        await opened(GOLDEN, unlock)


async def test_a_vault_made_today_says_the_same(tmp_path: Path) -> None:
    await make_golden(tmp_path / "vault")
    vault = await opened(tmp_path / "vault", OPERATOR_KEY)
    await says_what_it_should(vault)
    await vault.close()
