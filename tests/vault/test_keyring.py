"""Slots and identities come, change and go; the vault's data does not."""

from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point, bundle_of, forge, passphrase
from understudy.errors import AccessDenied, Conflict, InDoubt, IntegrityError, NotFound, StoreUnavailable
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.keyring import DamagedSlot, none_opens
from understudy.vault.keys.unlock import KeyFile, Unlock
from understudy.vault.vault import Vault

SOURCE_KEY = KeyFile(b"s" * 32)


async def opens(store: FaultyStore, unlock: Unlock) -> Vault:
    return await Vault.open(store, unlock, None, patience=QUICK)


async def test_the_first_slot(vault: Vault, store: FaultyStore) -> None:
    (slot,) = await vault.keys.list()
    assert (slot.role, slot.label, slot.opens_with, slot.current, slot.trusted) == ("operator", "operator", "key-file", True, True)
    assert vault.identity.name == "operator"


@pytest.mark.parametrize("wrong", [KeyFile(bytes(32)), passphrase("guess")])
async def test_wrong_keys_all_get_the_same_words(vault: Vault, store: FaultyStore, wrong: Unlock) -> None:
    await vault.keys.add("source", "host-a", passphrase("right"))
    with pytest.raises(AccessDenied, match=r"^no key slot of this vault opens with the key given$") as caught:
        await opens(store, wrong)
    assert caught.value.hint
    assert "guess" not in repr(caught.value)


async def test_another_vault_than_this_site_knows(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    """Its key is not wrong: it is for the vault that was at the address before."""
    state = tmp_path / "another site"
    other = await Vault.create(FileStore(tmp_path / "other", make=True), SOURCE_KEY, state=state)
    await other.close()
    with pytest.raises(AccessDenied) as caught:
        await Vault.open(store, SOURCE_KEY, state, patience=QUICK)
    assert caught.value.message.endswith(f"it is vault {vault.id}, and this site has opened {other.id}")
    assert "another vault at this address" in caught.value.hint


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([], "opens with the key given"),
        (["a", "this", "b"], "opens with the key given"),
        (["a"], "has opened a"),
        (["a", "b", "c", "d", "e"], "has opened a, b, c and 2 more"),
    ],
)
def test_what_is_said_of_a_key_that_opens_nothing(known: list[str], words: str) -> None:
    assert none_opens("this", known).message.endswith(words)


async def test_a_source_is_added(vault: Vault, store: FaultyStore) -> None:
    slot = await vault.keys.add("source", "host-a", passphrase("a"))
    assert (slot.role, slot.label, slot.opens_with, slot.current, slot.trusted) == ("source", "host-a", "passphrase", False, True)
    source = await opens(store, passphrase("a"))
    assert (source.identity.role, source.identity.name) == ("source", "host-a")
    with pytest.raises(Conflict, match="named 'host-a' already"):
        await vault.keys.add("operator", "host-a", passphrase("b"))
    for refused in (source.keys.add("source", "x", passphrase("x")), source.keys.remove(slot.id)):
        with pytest.raises(AccessDenied):
            await refused


async def test_extend_and_rotate(vault: Vault, store: FaultyStore) -> None:
    second = await vault.keys.extend(passphrase("second"))
    assert (await opens(store, passphrase("second"))).identity == vault.identity
    third = await vault.keys.rotate(second.id, passphrase("third"))
    assert (await opens(store, passphrase("third"))).identity == vault.identity
    with pytest.raises(AccessDenied):
        await opens(store, passphrase("second"))
    assert {slot.id for slot in await vault.keys.list() if not slot.current} == {third.id}
    (current,) = [slot for slot in await vault.keys.list() if slot.current]
    fresh = await vault.keys.rotate(current.id, passphrase("fourth"))
    assert [slot.id for slot in await vault.keys.list() if slot.current] == [fresh.id]
    with pytest.raises(AccessDenied):
        await opens(store, UNLOCK)


async def test_only_its_holder_rotates_a_slot(vault: Vault, store: FaultyStore) -> None:
    slot = await vault.keys.add("source", "host-a", passphrase("a"))
    with pytest.raises(AccessDenied, match="its holder only"):
        await vault.keys.rotate(slot.id, passphrase("b"))
    source = await opens(store, passphrase("a"))
    # Rotating writes no record, so a source can do it for itself.
    await source.keys.rotate(slot.id, passphrase("b"))
    assert (await opens(store, passphrase("b"))).identity.name == "host-a"


async def test_the_last_operator_slot_stays(vault: Vault, store: FaultyStore) -> None:
    (only,) = await vault.keys.list()
    with pytest.raises(Conflict, match="opened this vault"):
        await vault.keys.remove(only.id)
    await vault.keys.add("operator", "second", passphrase("second"))
    second = await opens_with_memory(store, passphrase("second"), vault)
    removed = await second.keys.remove(only.id)
    assert removed.revoked
    with pytest.raises(AccessDenied):
        await opens(store, UNLOCK)
    with pytest.raises(AccessDenied, match="was revoked"):
        await vault.keys.add("operator", "third", passphrase("third"))


async def opens_with_memory(store: FaultyStore, unlock: Unlock, vault: Vault) -> Vault:
    memory = vault._place.memory
    assert memory is not None
    return await Vault.open(store, unlock, memory.directory.parents[1], patience=QUICK)


async def test_an_unknown_slot(vault: Vault) -> None:
    with pytest.raises(NotFound):
        await vault.keys.remove("ab" * 16)


async def test_a_removed_source_counts_up_to_then(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    slot = await vault.keys.add("source", "host-a", SOURCE_KEY)
    extra = await (await opens(store, SOURCE_KEY)).keys.extend(passphrase("a"))
    source = await Vault.open(store, SOURCE_KEY, tmp_path / "source", patience=QUICK)
    log = await source.protect("web", "host-a")
    await log.claim("host-a")
    await log.append(a_point(b"1" * 16))
    ours = await vault.find("web")
    assert not (await vault.keys.remove(extra.id)).revoked
    await log.append(a_point(b"2" * 16))
    bundle = await bundle_of(source, SOURCE_KEY)
    assert (await vault.keys.remove(slot.id)).revoked
    with pytest.raises(AccessDenied, match="was revoked"):
        await log.append(a_point(b"3" * 16))
    with pytest.raises(AccessDenied):
        await opens(store, SOURCE_KEY)
    await forge(ours, bundle, a_point(b"4" * 16), writer=log.writer, vault=vault)
    await ours.refresh()
    assert [entry.point.id[0:1] for entry in ours.state.points] == [b"1", b"2"]
    assert [(void.seq, void.reason) for void in ours.state.void] == [(5, "the key of source 'host-a' was revoked")]
    # Of a machine that did not exist then, nothing counts.
    thief = source._log("cd" * 16)
    await forge(thief, bundle, kinds.Protect(name="mail", site="x"), vault=vault)
    assert (await vault.find("cd" * 16)).state.name == ""
    assert (await vault.protect("mail", "y")).state.name == "mail"


async def test_a_stolen_key_that_breaks_a_log_is_revoked(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    """A record of a trusted key that does not follow the chain stops every reader; without the key's trust it is only noise."""
    slot = await vault.keys.add("source", "host-a", SOURCE_KEY)
    log = await vault.protect("web", "a")
    await forge(log, await bundle_of(vault, SOURCE_KEY), kinds.Note(text="x"), prev=b"x" * 32, vault=vault)
    with pytest.raises(IntegrityError, match="does not follow"):
        await vault.find("web")
    await vault.keys.remove(slot.id)
    assert [void.seq for void in (await vault.find("web")).state.void] == [2]
    await log.append(kinds.Note(text="and on"))


async def test_a_killed_addition_leaves_nothing_in_the_way(vault: Vault, store: FaultyStore) -> None:
    store.plan(Fault(Action.FAIL_BEFORE, "create", "keys/*", times=-1))
    with pytest.raises(StoreUnavailable):
        await vault.keys.add("source", "host-a", SOURCE_KEY)
    store.plan()
    assert "host-a" in {member.name for member in vault.settings.active()}
    await vault.keys.add("source", "host-a", SOURCE_KEY)
    assert (await opens(store, SOURCE_KEY)).identity.name == "host-a"
    assert [member.name for member in vault.settings.active()] == ["operator", "host-a"]


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.LATE])
async def test_an_addition_in_doubt_leaves_nothing_in_the_way(vault: Vault, store: FaultyStore, tmp_path: Path, action: Action) -> None:
    store.plan(Fault(action, "create", "settings/log/*", times=-1))
    with pytest.raises(InDoubt):
        await vault.keys.add("source", "host-a", SOURCE_KEY)
    store.plan()
    await store.land_late()
    again = await Vault.open(store, UNLOCK, tmp_path / "state", patience=QUICK)
    await again.keys.add("source", "host-a", SOURCE_KEY)
    assert [slot.trusted for slot in await again.keys.list()] == [True, True]
    assert (await opens(store, SOURCE_KEY)).identity.name == "host-a"


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.LATE])
async def test_a_removal_in_doubt_is_finished_by_its_repetition(vault: Vault, store: FaultyStore, tmp_path: Path, action: Action) -> None:
    slot = await vault.keys.add("source", "host-a", SOURCE_KEY)
    store.plan(Fault(action, "create", "settings/log/*", times=-1))
    with pytest.raises(InDoubt):
        await vault.keys.remove(slot.id)
    store.plan()
    again = await Vault.open(store, UNLOCK, tmp_path / "state", patience=QUICK)
    await again.keys.remove(slot.id)
    await store.land_late()
    assert [left.label for left in await again.keys.list()] == ["operator"]
    assert again.settings.void == ()


async def test_rotation_never_leaves_an_identity_without_a_slot(vault: Vault, store: FaultyStore) -> None:
    (only,) = await vault.keys.list()
    for fault in (Fault(Action.FAIL_BEFORE, "create", times=-1), Fault(Action.FAIL_BEFORE, "get", "keys/*", skip=1)):
        store.plan(fault)
        with pytest.raises(StoreUnavailable):
            await vault.keys.rotate(only.id, passphrase("new"))
        store.plan()
        await opens(store, UNLOCK)


async def test_a_damaged_slot(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    await vault.keys.extend(passphrase("second"))
    (first,) = [slot for slot in await vault.keys.list() if slot.current]
    path = tmp_path / "vault" / names.slot(first.id)
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    assert (await opens(store, passphrase("second"))).identity == vault.identity
    with pytest.raises(IntegrityError, match=f"key slot {first.id} is damaged"):
        await opens(store, UNLOCK)
    again = await Vault.open(store, passphrase("second"), tmp_path / "state", patience=QUICK)
    slots = await again.keys.survey()
    assert [slot.current for slot in slots.whole] == [True]
    assert slots.damaged == (DamagedSlot(first.id, f"key slot {first.id} is damaged"),)
    added = await again.keys.add("source", "host-a", SOURCE_KEY)
    assert (await again.keys.remove(added.id)).revoked


async def test_the_name_of_a_key_whose_slot_is_damaged_is_not_free(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    slot = await vault.keys.add("source", "host-a", SOURCE_KEY)
    path = tmp_path / "vault" / names.slot(slot.id)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Conflict, match="named 'host-a' already"):
        await vault.keys.add("source", "host-a", passphrase("other"))
    path.write_bytes(whole)
    assert (await opens(store, SOURCE_KEY)).identity.name == "host-a"


async def test_what_lies_among_the_slots_and_is_none_is_in_nobodys_way(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    (tmp_path / "vault" / "keys" / "readme").write_text("mine")
    again = await opens(store, UNLOCK)
    slots = await again.keys.survey()
    assert (len(slots.whole), [slot.id for slot in slots.damaged]) == (1, ["readme"])
    with pytest.raises(AccessDenied, match="no key slot of this vault opens"):
        await opens(store, passphrase("wrong"))


async def test_a_slot_that_goes_while_they_are_read_is_passed_over(vault: Vault, store: FaultyStore) -> None:
    slot = await vault.keys.add("source", "host-a", SOURCE_KEY)

    async def going(name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == names.slot(slot.id):
            raise NotFound("gone")
        return await type(store).get(store, name, start, length)

    store.get = going  # type: ignore[method-assign]
    assert len(await vault.keys.list()) == 1
    with pytest.raises(AccessDenied):
        await opens(store, SOURCE_KEY)


async def test_slots_do_not_open_another_vault(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    from understudy.store.file import FileStore

    other_store = FaultyStore(FileStore(tmp_path / "other", make=True))
    other = await Vault.create(other_store, passphrase("other"), patience=QUICK)
    (slot,) = await vault.keys.list()
    await other_store.create(names.slot(slot.id), [await store.get(names.slot(slot.id))])
    with pytest.raises(AccessDenied):
        await Vault.open(other_store, UNLOCK, None)
    await other.close()
