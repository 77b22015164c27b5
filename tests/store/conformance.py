"""What every kind of store must do. A kind's own test file subclasses `Conformance` and gives a `store` fixture."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import numpy as np
import pytest

from understudy.errors import InvalidRequest, NotFound
from understudy.store.protocol import Creation, ObjectInfo, ObjectStore

# Neighbours of '/' in byte order, where a walk directory by directory goes wrong if it does not take care.
AWKWARD = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b-c", "a/b.c/d", "a/b0", "a0", "a0/x", "a_", "b/0/1/2", "b/0.1", "-", ".x", "_/-", "z"]


async def names(listing: AsyncIterator[ObjectInfo]) -> list[str]:
    return [info.name async for info in listing]


def without_clashes(wanted: list[str]) -> list[str]:
    """Leave out names that another name has as its directory: not every kind of store can hold both."""
    return [name for name in dict.fromkeys(wanted) if not any(other != name and other.startswith(name + "/") for other in wanted)]


class Conformance:
    beyond_a_page = 1300
    """So many objects that the store's listing of them takes more than one page."""
    rounds = 12
    """Of names taken at random."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    async def test_what_is_created_is_read_back(self, store: ObjectStore) -> None:
        array = np.arange(10, dtype=np.uint8)
        parts = [b"one", bytearray(b"-two-"), memoryview(b"three"), b"", array, np.empty(0, dtype=np.uint8)]
        assert await store.create("x/y/z", parts) is Creation.CREATED
        whole = b"one-two-three" + bytes(range(10))
        assert await store.get("x/y/z") == whole
        info = await store.head("x/y/z")
        assert info is not None
        assert info == ("x/y/z", len(whole))

    async def test_an_empty_object(self, store: ObjectStore) -> None:
        assert await store.create("nothing", []) is Creation.CREATED
        assert await store.get("nothing") == b""
        assert await store.head("nothing") == ("nothing", 0)

    async def test_many_small_buffers_and_a_large_one(self, store: ObjectStore) -> None:
        parts = [bytes([i % 251]) * (i % 7) for i in range(3000)] + [bytes(5 << 20)]
        await store.create("big", parts)
        assert await store.get("big") == b"".join(parts)

    async def test_nothing_is_overwritten(self, store: ObjectStore) -> None:
        assert await store.create("once", [b"first"]) is Creation.CREATED
        assert await store.create("once", [b"second"]) is Creation.EXISTS
        assert await store.create("once", [b"first"]) is Creation.EXISTS
        assert await store.get("once") == b"first"

    async def test_exactly_one_of_many_creators_wins(self, store: ObjectStore) -> None:
        for round_ in range(5):
            name = f"race/{round_}"
            outcomes = await asyncio.gather(*(store.create(name, [bytes([i]) * 10000]) for i in range(16)))
            assert outcomes.count(Creation.CREATED) == 1
            assert outcomes.count(Creation.EXISTS) == 15
            assert await store.get(name) == bytes([outcomes.index(Creation.CREATED)]) * 10000

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (3, None, b"3456789"),
            (3, 4, b"3456"),
            (0, 10, b"0123456789"),
            (8, 100, b"89"),
            (10, None, b""),
            (10, 5, b""),
            (50, 5, b""),
            (4, 0, b""),
        ],
    )
    async def test_ranges(self, store: ObjectStore, start: int, length: int | None, expected: bytes) -> None:
        await store.create("digits", [b"0123456789"])
        assert await store.get("digits", start, length) == expected

    async def test_what_does_not_exist(self, store: ObjectStore) -> None:
        await store.create("there/is", [b"one"])
        for name in ("missing", "there/missing", "there/is/missing", "there", "mis/sing"):
            with pytest.raises(NotFound):
                await store.get(name)
            assert await store.head(name) is None
            assert await store.delete(name) is False
        assert await store.get("there/is") == b"one"

    async def test_delete(self, store: ObjectStore) -> None:
        await store.create("gone/soon", [b"x"])
        assert await store.delete("gone/soon") is True
        assert await store.delete("gone/soon") is False
        assert await store.head("gone/soon") is None
        assert await names(store.list("")) == []
        assert await store.create("gone/soon", [b"again"]) is Creation.CREATED

    async def test_lists_in_byte_order_of_whole_names(self, store: ObjectStore) -> None:
        wanted = sorted(without_clashes(AWKWARD))
        for name in wanted:
            await store.create(name, [name.encode()])
        listed = [info async for info in store.list("")]
        assert [info.name for info in listed] == wanted
        assert [info.size for info in listed] == [len(name) for name in wanted]
        for prefix in ("a", "a/", "a/b", "a-", "b/0", "b/0/", "nothing", "z", "z/"):
            assert await names(store.list(prefix)) == [name for name in wanted if name.startswith(prefix)]
        for after in [*AWKWARD, "a/", "a0/", "b/0/", "zz", "a/b.c/", "a/b.", "A", "~"]:
            for prefix in ("", "a", "a/b", "b/"):
                expected = [name for name in wanted if name.startswith(prefix) and name > after]
                assert await names(store.list(prefix, after)) == expected, (prefix, after)

    async def test_lists_any_names(self, store: ObjectStore) -> None:
        random = Random(7)

        def text(alphabet: str, least: int, most: int) -> str:
            return "".join(random.choices(alphabet, k=random.randint(least, most)))

        for round_ in range(self.rounds):
            top = f"r{round_}/"
            wanted = [top + "/".join(text("ab0-_", 1, 2) + text(".", 0, 1) for _ in range(random.randint(1, 3))) for _ in range(10)]
            wanted = sorted(without_clashes(wanted))
            for name in wanted:
                await store.create(name, [b"x"])
            for _ in range(20):
                prefix, after = top + text("ab0.-_/", 0, 3), top + text("ab0.-_/", 0, 4)
                expected = [name for name in wanted if name.startswith(prefix) and name > after]
                assert await names(store.list(prefix, after)) == expected, (prefix, after)

    async def test_lists_more_than_a_page(self, store: ObjectStore) -> None:
        wanted = [f"log/{i:016d}" for i in range(1, self.beyond_a_page + 1)]
        for start in range(0, len(wanted), 100):
            await asyncio.gather(*(store.create(name, [b"r"]) for name in wanted[start : start + 100]))
        assert await names(store.list("log/")) == wanted
        assert await names(store.list("log/", wanted[-3])) == wanted[-2:]
        async for info in store.list("log/"):
            assert info.name == wanted[0]
            break

    @pytest.mark.parametrize(
        "name",
        ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "A", "a b", "a\\b", "a\0", "é", "a\n", "x" * 256, "a/" * 600 + "a"],
    )
    async def test_names_that_none_may_have(self, store: ObjectStore, name: str) -> None:
        with pytest.raises(InvalidRequest):
            await store.create(name, [b"x"])
        with pytest.raises(InvalidRequest):
            await store.get(name)
        with pytest.raises(InvalidRequest):
            await store.head(name)
        with pytest.raises(InvalidRequest):
            await store.delete(name)

    async def test_close_is_idempotent(self, store: ObjectStore) -> None:
        await store.create("x", [b"x"])
        await store.close()
        await store.close()
