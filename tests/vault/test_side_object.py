from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.worlds import QUICK
from understudy.errors import IntegrityError, StoreUnavailable
from understudy.vault import names
from understudy.vault.keys.identity import first_operator
from understudy.vault.kinds import ObjectRef
from understudy.vault.log.side_object import get_side_object, put_side_object

OWNER = names.machine("ab" * 16)
BUNDLE = first_operator("op")
ACCESS = BUNDLE.access(b"v" * 16)


async def test_round_trip(store: FaultyStore) -> None:
    for data in (b"", b"x", bytes(1 << 20)):
        ref = await put_side_object(store, ACCESS, OWNER, "definition", data, QUICK)
        assert await get_side_object(store, ACCESS, OWNER, "definition", ref) == data
        name = names.side_object(OWNER, ref.hash.hex())
        assert await store.head(name) == (name, ref.size)


async def test_it_opens_for_its_own_purpose_only(store: FaultyStore) -> None:
    ref = await put_side_object(store, ACCESS, OWNER, "definition", b"data", QUICK)
    name = names.side_object(OWNER, ref.hash.hex())
    elsewhere = names.machine("cd" * 16)
    await store.create(names.side_object(elsewhere, ref.hash.hex()), [await store.get(name)])
    for access, owner, purpose in (
        (ACCESS, OWNER, "packs"),
        (ACCESS, elsewhere, "definition"),
        (BUNDLE.access(b"V" * 16), OWNER, "definition"),
        (first_operator("op").access(b"v" * 16), OWNER, "definition"),
    ):
        with pytest.raises(IntegrityError, match="not what was stored"):
            await get_side_object(store, access, owner, purpose, ref)


async def test_every_flipped_byte_and_every_truncation_is_refused(store: FaultyStore, tmp_path: Path) -> None:
    ref = await put_side_object(store, ACCESS, OWNER, "definition", b"data", QUICK)
    path = tmp_path / "vault" / names.side_object(OWNER, ref.hash.hex())
    data = path.read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        for stored in (bytes(damaged), data[:position]):
            path.write_bytes(stored)
            with pytest.raises(IntegrityError):
                await get_side_object(store, ACCESS, OWNER, "definition", ref)
    path.write_bytes(data + b"\0")
    with pytest.raises(IntegrityError):
        await get_side_object(store, ACCESS, OWNER, "definition", ref)
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        await get_side_object(store, ACCESS, OWNER, "definition", ref)


@pytest.mark.parametrize(("hash_", "size"), [(bytes(32), -1), (bytes(32), 1 << 60), (b"", 100), (bytes(31), 100)])
async def test_hostile_references(store: FaultyStore, hash_: bytes, size: int) -> None:
    with pytest.raises(IntegrityError):
        await get_side_object(store, ACCESS, OWNER, "definition", ObjectRef(hash=hash_, size=size))
    assert store.calls == []


async def test_a_store_that_does_not_answer(store: FaultyStore) -> None:
    store.plan(Fault(Action.FAIL_BEFORE, "create"), Fault(Action.FAIL_AFTER, "create", skip=1))
    ref = await put_side_object(store, ACCESS, OWNER, "definition", b"data", QUICK)
    assert await get_side_object(store, ACCESS, OWNER, "definition", ref) == b"data"
    store.plan(Fault(Action.FAIL_BEFORE, "create", times=-1))
    with pytest.raises(StoreUnavailable):
        await put_side_object(store, ACCESS, OWNER, "definition", b"data", QUICK)
