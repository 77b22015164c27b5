"""A server that lies is found out before anything is written to it, and named with what it did wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.store.hostile import Hostile, failure, serving
from tests.store.servers import Server
from understudy.errors import StoreRefused, StoreUnavailable
from understudy.store.protocol import Creation
from understudy.store.remote import probed
from understudy.store.remote.opening import open_remote
from understudy.store.remote.probed import ProbedStore
from understudy.store.url import parse_url


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with serving(Hostile()) as server:
        yield server


def opened(hostile: Hostile, directory: Path) -> ProbedStore:
    keys = directory / "s3.toml"
    keys.touch(mode=0o600)
    keys.write_text('access-key-id = "id"\nsecret-access-key = "secret"\n')
    return open_remote(parse_url(f"s3://bucket?endpoint={hostile.endpoint}&credentials={keys}"), directory / "state")


async def refusal(hostile: Hostile, directory: Path) -> str:
    """Why nothing is written there."""
    store = opened(hostile, directory)
    for _ in range(2):  # it is not believed the second time either
        with pytest.raises(StoreRefused) as caught:
            await store.create("a", [b"x"])
    await store.close()
    assert not (directory / "state").exists()
    assert "a" not in hostile.objects
    assert caught.value.message.startswith("the server at 127.0.0.1:")
    assert "use another server" in caught.value.hint
    return caught.value.message


async def test_a_second_create_succeeds(hostile: Hostile, tmp_path: Path) -> None:
    hostile.heeds = False
    assert "let 4 of 4 who created the same object at once" in await refusal(hostile, tmp_path)


async def test_a_second_create_succeeds_a_little_later(hostile: Hostile, tmp_path: Path) -> None:
    """As a server that looks, and writes later, when nobody else asks at the same time."""
    puts = 0

    async def once(request: web.Request) -> None:
        nonlocal puts
        puts += request.method == "PUT"
        hostile.heeds = puts % 5 != 0

    hostile.before = once
    assert "answered a second create of the same object with success" in await refusal(hostile, tmp_path)


async def test_what_was_stored_is_not_there_yet(hostile: Hostile, tmp_path: Path) -> None:
    async def not_yet(request: web.Request) -> web.Response | None:
        return failure(404, "NoSuchKey") if request.method == "GET" and request.path != "/bucket" else None

    hostile.before = not_yet
    assert "that there is none" in await refusal(hostile, tmp_path)


async def test_an_old_value_is_given(hostile: Hostile, tmp_path: Path) -> None:
    async def stale(request: web.Request, right: web.Response) -> web.Response:
        if request.method == "GET" and request.path != "/bucket" and isinstance(right.body, bytes):
            right.body = bytes(len(right.body))
        return right

    hostile.after = stale
    assert "gave something else" in await refusal(hostile, tmp_path)


async def test_a_stale_listing(hostile: Hostile, tmp_path: Path) -> None:
    hostile.listed = lambda names: sorted(name for name in names if not name.endswith("/d"))
    assert "listed 2 of 3 objects that were just created" in await refusal(hostile, tmp_path)


async def test_what_was_deleted_is_still_listed(hostile: Hostile, tmp_path: Path) -> None:
    ever: set[str] = set()

    def listed(names: list[str]) -> list[str]:
        ever.update(names)
        return sorted(ever)

    hostile.listed = listed
    assert "still shows objects" in await refusal(hostile, tmp_path)


async def test_a_server_that_can_do_it_is_asked_once_a_week(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(hostile, tmp_path)
    assert await store.create("a", [b"x"]) is Creation.CREATED
    assert sorted(hostile.objects) == ["a"], "nothing is left"
    assert len(hostile.requests) <= 30
    again = opened(hostile, tmp_path)
    before = len(hostile.requests)
    assert await again.create("b", [b"x"]) is Creation.CREATED
    assert len(hostile.requests) == before + 1
    monkeypatch.setattr(probed, "HOLDS", 0)
    assert await opened(hostile, tmp_path).create("c", [b"x"]) is Creation.CREATED
    assert len(hostile.requests) > before + 10


async def test_reading_asks_for_no_probe(hostile: Hostile, tmp_path: Path) -> None:
    hostile.heeds, hostile.objects["a"] = False, b"x"
    store = opened(hostile, tmp_path)
    assert await store.get("a") == b"x"
    assert [info.name async for info in store.list("")] == ["a"]
    assert len(hostile.requests) == 2


async def test_an_outage_is_no_verdict(hostile: Hostile, tmp_path: Path) -> None:
    async def busy(_request: web.Request) -> web.Response:
        return failure(503, "SlowDown")

    store, hostile.before = opened(hostile, tmp_path), busy
    with pytest.raises(StoreUnavailable):
        await store.create("a", [b"x"])
    hostile.before = None
    assert await store.create("a", [b"x"]) is Creation.CREATED


async def test_credentials_that_may_not_delete(hostile: Hostile, tmp_path: Path) -> None:
    """A source's: what its probe leaves is hidden, and an operator's removes it after two days."""

    async def may_not(request: web.Request) -> web.Response | None:
        return failure(403, "AccessDenied") if request.method == "DELETE" else None

    hostile.before = may_not
    store = opened(hostile, tmp_path)
    assert store.capabilities.deletes
    assert await store.create("a", [b"x"]) is Creation.CREATED
    assert not store.capabilities.deletes
    assert not opened(hostile, tmp_path).capabilities.deletes
    assert [info.name async for info in store.list("")] == ["a"]
    left = sorted(name for name in hostile.objects if name != "a")
    assert len(left) == 3
    hostile.before = None
    hostile.objects[old := ".probe/00006000b000-0011223344556677/a"] = b"x"
    (tmp_path / "operator").mkdir()
    operator = opened(hostile, tmp_path / "operator")
    assert await operator.create("b", [b"x"]) is Creation.CREATED
    assert sorted(hostile.objects) == [*left, "a", "b"]
    assert old not in hostile.objects


@pytest.mark.parametrize("kind", ["s3", "az"])
async def test_real_servers_do_it(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    store = open_remote(parse_url(server.address("probed", tmp_path)), tmp_path)
    outcomes = await asyncio.gather(*(store.create("a", [bytes([number])]) for number in range(8)))
    assert outcomes.count(Creation.CREATED) == 1
    assert store.capabilities.deletes
    assert [info async for info in store.list("")] == [("a", 1)]
    await store.close()
