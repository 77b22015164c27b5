"""A site that has seen a record refuses a vault that lacks it."""

import shutil
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.small import ROOT, small
from tests.vault.worlds import QUICK, UNLOCK, a_point, passphrase
from understudy.errors import InDoubt, IntegrityError, RolledBack, StateFailed
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.descriptor import Descriptor, decode, encode
from understudy.vault.log import guard
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.record import Head
from understudy.vault.vault import Vault


@pytest.fixture
async def log(vault: Vault) -> MachineLog:
    log = await vault.protect("web", "site-a")
    await log.claim("site-a")
    for number in range(3):
        await log.append(a_point(bytes([number]) * 16))
    return log


def record_path(tmp_path: Path, log: MachineLog, seq: int) -> Path:
    return tmp_path / "vault" / names.record(names.machine(log.machine_id), seq)


async def opened(tmp_path: Path, state: str | None = "state", directory: str = "vault") -> Vault:
    return await Vault.open(FileStore(tmp_path / directory), UNLOCK, tmp_path / state if state else None, patience=QUICK)


async def test_an_old_copy_of_the_vault(vault: Vault, log: MachineLog, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await log.append(a_point(b"9" * 16))
    old = await opened(tmp_path, directory="copy")
    with pytest.raises(RolledBack, match=r"seen record 6 .* ends at record 5") as caught:
        await old.find("web")
    assert caught.value.hint
    with pytest.raises(RolledBack):
        await old.machines()
    await old.close()
    # Somebody who has never seen the newer one cannot know.
    stranger = await opened(tmp_path, "elsewhere", "copy")
    assert (await stranger.find("web")).head.seq == 5
    await stranger.close()


async def test_a_vault_of_which_nothing_is_left(vault: Vault, log: MachineLog, tmp_path: Path) -> None:
    """By who has it open, and so does not ask whether there is a vault at all."""
    shutil.rmtree(tmp_path / "vault")
    (tmp_path / "vault").mkdir()
    for read in (vault.find("web"), log.refresh()):
        with pytest.raises(RolledBack, match="nothing is left in the vault of") as caught:
            await read
        assert "understudy vault uncover --dry-run" in caught.value.hint
        assert "understudy vault promote" in caught.value.hint
    with pytest.raises(RolledBack):
        await log.append(a_point(b"7" * 16))
    assert list((tmp_path / "vault").iterdir()) == []


@pytest.mark.parametrize("forgotten", [False, True])
async def test_what_is_in_doubt_is_not_put_into_an_old_copy(
    vault: Vault, log: MachineLog, store: FaultyStore, tmp_path: Path, forgotten: bool
) -> None:
    """There it would come after a gap, and nothing could be read beyond that. `forgotten`: the mark itself is lost."""
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await log.append(a_point(b"8" * 16))
    store.plan(Fault(Action.FAIL_BEFORE, "create", times=-1))
    with pytest.raises(InDoubt):
        await log.append(a_point(b"9" * 16))
    if forgotten:
        (tmp_path / f"state/vaults/{vault.id}/guard/machines_{log.machine_id}").unlink()
    old = await opened(tmp_path, directory="copy")
    with pytest.raises(RolledBack):
        await old.protect("another", "site-a")
    left = old._log(log.machine_id)  # not read: as the settling of a protect does it
    with pytest.raises(RolledBack):
        await left.settle()
    assert not (tmp_path / "copy" / names.record(names.machine(log.machine_id), 7)).exists()
    await old.close()


async def test_an_old_copy_from_before_the_machine(vault: Vault, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await vault.protect("web", "site-a")
    old = await opened(tmp_path, directory="copy")
    for reading in (old.find("web"), old.machines(), old.protect("web", "site-a")):
        with pytest.raises(RolledBack, match="machines/"):
            await reading
    await old.close()


async def test_an_old_copy_of_the_settings(vault: Vault, tmp_path: Path) -> None:
    """Where a revoked key would be trusted again."""
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await vault.keys.add("source", "host-a", passphrase("a"))
    with pytest.raises(RolledBack, match="seen record 2 of settings"):
        await opened(tmp_path, directory="copy")


@pytest.mark.parametrize("missing", [1, 2])
async def test_a_truncated_log(log: MachineLog, tmp_path: Path, missing: int) -> None:
    for seq in range(6 - missing, 6):
        record_path(tmp_path, log, seq).unlink()
    again = await opened(tmp_path)
    with pytest.raises(RolledBack, match=f"ends at record {5 - missing}"):
        await again.find("web")
    await again.close()


@pytest.mark.parametrize("missing", [1, 3, 4])
@pytest.mark.parametrize("state", ["state", None])
async def test_a_gap(log: MachineLog, tmp_path: Path, missing: int, state: str | None) -> None:
    record_path(tmp_path, log, missing).unlink()
    again = await opened(tmp_path, state)
    with pytest.raises(IntegrityError, match=f"record {missing} of .* is missing"):
        await again.find(log.machine_id)
    with pytest.raises(IntegrityError):
        await again.machines()
    await again.close()


async def test_the_last_record_exchanged(vault: Vault, log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    """By one as good, written on a copy from before it: only memory can tell."""
    last = record_path(tmp_path, log, 5)
    original = last.read_bytes()
    last.unlink()
    fork = await (await opened(tmp_path, "fork")).find("web")
    await fork.append(kinds.Note(text="instead"))
    assert last.read_bytes() != original
    again = await opened(tmp_path)
    with pytest.raises(RolledBack, match="has another one there"):
        await again.find("web")
    # And when the log has grown since.
    await fork.append(kinds.Note(text="and more"))
    with pytest.raises(RolledBack, match=r"seen record 5 .* has another one there"):
        await again.find("web")


async def test_a_forked_vault_does_not_mix(vault: Vault, log: MachineLog, tmp_path: Path) -> None:
    """A record of a copy put between those of the original breaks the chain for everybody."""
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    ours, theirs = log, await (await opened(tmp_path, "elsewhere", "copy")).find("web")
    for fork in (ours, theirs):
        for text in ("one", "two"):
            await fork.append(kinds.Note(text=text))
    swapped = tmp_path / "copy" / names.record(names.machine(log.machine_id), 6)
    record_path(tmp_path, log, 6).write_bytes(swapped.read_bytes())
    stranger = await opened(tmp_path, None)
    with pytest.raises(IntegrityError, match=r"record 7 .* does not follow record 6"):
        await stranger.find("web")


@pytest.mark.parametrize(("here", "there"), [(3, 4), (4, 3), (5, 1)])
async def test_records_exchanged_within_a_log(log: MachineLog, tmp_path: Path, here: int, there: int) -> None:
    record_path(tmp_path, log, here).write_bytes(record_path(tmp_path, log, there).read_bytes())
    stranger = await opened(tmp_path, None)
    with pytest.raises(IntegrityError, match=f"record {here} of"):
        await stranger.find(log.machine_id)


async def test_a_record_from_another_machine_or_vault(vault: Vault, log: MachineLog, tmp_path: Path) -> None:
    mail = await vault.protect("mail", "site-a")
    record_path(tmp_path, log, 1).write_bytes(record_path(tmp_path, mail, 1).read_bytes())
    with pytest.raises(IntegrityError, match="record 1 of"):
        await (await opened(tmp_path, None)).find(log.machine_id)
    other = await Vault.create(FileStore(tmp_path / "other", make=True), UNLOCK, state=tmp_path / "state", patience=QUICK)
    web = await other.protect("web", "site-a")
    record_path(tmp_path, log, 1).write_bytes((tmp_path / "other" / names.record(names.machine(web.machine_id), 1)).read_bytes())
    with pytest.raises(IntegrityError, match="record 1 of"):
        await (await opened(tmp_path, None)).find(log.machine_id)
    # A machine whose first record is damaged does not hide the others.
    assert (await (await opened(tmp_path, None)).find("mail")).state.name == "mail"


async def test_every_flipped_byte_of_a_record_in_the_vault(log: MachineLog, tmp_path: Path) -> None:
    path = record_path(tmp_path, log, 3)
    data = path.read_bytes()
    reader = await opened(tmp_path, None)
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError, match="record 3 of"):
            await reader.find(log.machine_id)
    path.write_bytes(data)
    assert (await reader.find(log.machine_id)).state == log.state


async def test_oversized_and_foreign_objects_in_a_log(log: MachineLog, tmp_path: Path) -> None:
    reader = await opened(tmp_path, None)
    record_path(tmp_path, log, 6).write_bytes(bytes(100_000))
    with pytest.raises(IntegrityError, match="too large"):
        await reader.find("web")
    record_path(tmp_path, log, 6).unlink()
    for name in ("9999999999999999", "x", "00000000000000006"):
        path = record_path(tmp_path, log, 1).with_name(name)
        path.write_bytes(b"x")
        with pytest.raises(IntegrityError, match="is missing"):
            await reader.find("web")
        path.unlink()


async def test_settings_of_another_vault(vault: Vault, tmp_path: Path) -> None:
    other = await Vault.create(FileStore(tmp_path / "other", make=True), UNLOCK, patience=QUICK)
    ours, theirs = (tmp_path / directory / names.record(names.SETTINGS, 1) for directory in ("vault", "other"))
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(IntegrityError):
        await opened(tmp_path, None)
    ours.unlink()
    with pytest.raises(IntegrityError):
        await opened(tmp_path, None)
    await other.close()


async def test_a_descriptor_of_another_vault(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "vault" / names.DESCRIPTOR
    data = bytearray(path.read_bytes())
    path.write_bytes(encode(Descriptor(id=decode(bytes(data)).id, created_at=1)))
    with pytest.raises(IntegrityError, match="not those that this key was made for"):
        await opened(tmp_path, None)


def test_the_mark_only_rises(tmp_path: Path) -> None:
    path = tmp_path / "guard" / "machines_x"
    assert guard.remembered(path) == Head()
    guard.remember(path, Head(5, b"5" * 32))
    guard.remember(path, Head(3, b"3" * 32))
    assert guard.remembered(path) == Head(5, b"5" * 32)
    guard.remember(path, Head(6, b"6" * 32))
    assert guard.remembered(path) == Head(6, b"6" * 32)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"seq":0,"hash":""}', b'{"seq":1,"hash":"zz"}', b'{"seq":1,"hash":"00"}', b"\xff"])
def test_a_damaged_memory_is_not_taken_for_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "guard"
    path.write_bytes(data)
    with pytest.raises(StateFailed):
        guard.remembered(path)


async def test_reading_takes_no_writing_where_nothing_is_new(log: MachineLog, tmp_path: Path) -> None:
    """Whoever restores while the state directory's disk is read-only must get on."""
    directory = tmp_path / "state" / "vaults"
    for path in directory.rglob("*"):
        if path.suffix == ".lock":
            path.unlink()
            path.mkdir()  # not to be opened for writing, not even by root
    again = await opened(tmp_path)
    assert (await again.find("web")).head.seq == 5
    await again.close()


if ROOT:

    async def test_what_others_say_is_heard_without_room_for_the_mark(log: MachineLog, tmp_path: Path) -> None:
        """Who was failed over must learn of it; and goes by what it has read as long as it lives, and durably once there is room."""
        with small(tmp_path / "full", "1m") as state:
            there = await opened(tmp_path, "full")
            before = await there.find("web")
            mark = state.path / f"vaults/{there.id}/guard/machines_{log.machine_id}"
            assert guard.remembered(mark).seq == 5
            shutil.copytree(tmp_path / "vault", tmp_path / "copy")
            state.fill()
            await log.append(kinds.Note(text="of another site"))
            await before.refresh()
            assert before.head.seq == (await there.find("web")).head.seq == 6
            with pytest.raises(StateFailed):
                await before.append(kinds.Note(text="from here"))
            old = await opened(tmp_path, "full", "copy")
            with pytest.raises(RolledBack, match=r"seen record 6 .* ends at record 5"):
                await old.find("web")
            state.empty()
            await before.refresh()
            guard._unkept.clear()
            with pytest.raises(RolledBack, match=r"seen record 6 .* ends at record 5"):
                await old.find("web")
            await before.append(kinds.Note(text="from here"))
            assert guard.remembered(mark).seq == 7
