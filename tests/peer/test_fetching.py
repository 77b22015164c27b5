"""In which parts an object comes: what is small at once, and of what is large little before all connections have their part."""

import math
from pathlib import Path
from random import Random

import pytest

from tests.peer.pair import served
from understudy.pairing.wire import LEAST_PART, PART
from understudy.store.peer import fetching
from understudy.store.peer.channel import Channel
from understudy.store.peer.fetching import FIRST, QUICK, size_of_parts

LARGE = 10 << 20


@pytest.mark.parametrize(
    ("start", "length", "quick", "parts"),
    [
        (0, LEAST_PART, 0, [LEAST_PART]),
        (LARGE - 5, 100, 0, [100]),
        (0, None, 0, [FIRST, *[LEAST_PART] * 9, LEAST_PART - FIRST]),
        (7, LEAST_PART + 1, 0, [FIRST, LEAST_PART + 1 - FIRST]),
        (0, None, math.inf, [FIRST, PART, PART, LARGE - FIRST - 2 * PART]),
    ],
)
async def test_the_parts_of_an_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, length: int | None, quick: float, parts: list[int]
) -> None:
    data = Random(1).randbytes(LARGE)
    asked: list[tuple[int, int]] = []
    receive = Channel.receive

    async def noted(self: Channel, method: str, path: str, query: dict[str, str], *rest: object) -> object:
        if method == "GET":
            asked.append((int(query["start"]), int(query["length"])))
        return await receive(self, method, path, query, *rest)  # type: ignore[arg-type]

    async with served(tmp_path) as site:
        store = await site.joined("b")
        await store.create("large", [data])
        monkeypatch.setattr(Channel, "receive", noted)
        monkeypatch.setattr(fetching, "QUICK", quick)
        assert await store.get("large", start, length) == data[start : None if length is None else start + length]
    assert asked[0] == (start, parts[0])
    assert [size for _, size in sorted(asked)] == parts


@pytest.mark.parametrize(
    ("rest", "seconds", "size"),
    [
        (15 << 20, QUICK, LEAST_PART),
        (32 << 20, 1.0, 2 << 20),
        (256 << 20, 1.0, PART),
        (15 << 20, QUICK / 2, PART),
    ],
)
def test_how_large_parts_are(rest: int, seconds: float, size: int) -> None:
    assert size_of_parts(rest, 16, seconds) == size
