"""Reads through a cache: what the store said, fewer times, and only of what never changes."""

import random
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from understudy.errors import NotFound, StoreUnavailable
from understudy.store.cached import CachedReader
from understudy.store.file import FileStore
from understudy.vault import names


def lasts(name: str) -> bool:
    return name.startswith("random/")


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(FileStore(tmp_path / "store", make=True))


async def asked(store: FaultyStore, reader: CachedReader, *reads: tuple[str, int, int | None]) -> list[bytes]:
    """What the reads give; `store.calls` holds what was asked for them."""
    store.calls.clear()
    return [await reader.get(*read) for read in reads]


async def test_it_says_what_the_store_says(store: FaultyStore) -> None:
    chance, reader = random.Random(7), CachedReader(store, lasts, limit=5000, largest=400)
    objects = {f"random/{number}": chance.randbytes(chance.randrange(1000)) for number in range(12)}
    for name, data in objects.items():
        await store.create(name, [data])
    store.calls.clear()
    for turn in range(600):
        name, start = chance.choice(list(objects)), chance.randrange(1100)
        length = chance.choice([None, 0, chance.randrange(600)])
        assert await reader.get(name, start, length) == objects[name][start : None if length is None else start + length], turn
        assert reader.held <= 5000
    assert len(store.calls) < 500


async def test_a_part_of_what_is_here_is_not_asked_for(store: FaultyStore) -> None:
    data, reader = bytes(range(200)), CachedReader(store, lasts)
    await store.create("random/a", [data])
    await reader.get("random/a", 150, 100)
    found = await asked(store, reader, ("random/a", 150, None), ("random/a", 190, 10), ("random/a", 250, 5), ("random/a", 160, 20))
    assert (found, store.calls) == ([data[150:], data[190:], b"", data[160:180]], [])
    assert await asked(store, reader, ("random/a", 140, 20)) == [data[140:160]]
    assert store.calls == [Call("get", "random/a")]


async def test_nothing_is_kept_of_what_may_yet_be_made_or_made_anew(store: FaultyStore) -> None:
    reader = CachedReader(store, lasts)
    for name in ("random/a", "log/1"):
        with pytest.raises(NotFound):
            await reader.get(name)
        await store.create(name, [b"one"])
        assert await reader.get(name) == b"one"
    await store.delete("log/1")
    await store.create("log/1", [b"two"])
    assert await reader.get("log/1") == b"two"


async def test_nor_of_what_failed_or_is_large(store: FaultyStore) -> None:
    reader = CachedReader(store, lasts, largest=10)
    await store.create("random/a", [bytes(11)])
    store.plan(Fault(Action.FAIL_AFTER, "get"))
    with pytest.raises(StoreUnavailable):
        await reader.get("random/a", 0, 5)
    await asked(store, reader, ("random/a", 0, None), ("random/a", 0, None), ("random/a", 0, 5), ("random/a", 1, 4))
    assert len(store.calls) == 3
    assert reader.held < 300


async def test_what_was_used_last_stays(store: FaultyStore) -> None:
    reader = CachedReader(store, lasts, limit=3 * 1300)
    for name in "abcd":
        await store.create(f"random/{name}", [bytes(1000)])
    await asked(store, reader, *((f"random/{name}", 0, None) for name in "abcad"))
    await asked(store, reader, *((f"random/{name}", 0, None) for name in "acdb"))
    assert store.calls == [Call("get", "random/b")]
    reader.forget()
    assert reader.held == 0
    await asked(store, reader, ("random/d", 0, None))
    assert store.calls == [Call("get", "random/d")]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (names.pack("ab", "cd"), True),
        (names.checkpoint("ab", "cd"), True),
        (names.side_object(names.machine("ab"), "cd"), True),
        (names.side_object(names.SETTINGS, "cd"), True),
        (names.record(names.machine("ab"), 7), False),
        (names.record(names.SETTINGS, 7), False),
        (names.probe("ab", "cd"), False),
        (names.slot("ab"), False),
        (names.DESCRIPTOR, False),
        (names.COPY, False),
    ],
)
def test_which_of_a_vaults_objects_last(name: str, kept: bool) -> None:
    assert names.lasts(name) is kept
