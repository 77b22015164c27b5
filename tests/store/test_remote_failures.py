"""What comes of servers that fail, refuse, or do it half: never a part of a value, never a creation that was none, and words that help."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.store.hostile import Hostile, failure, hang_up, serving
from understudy.errors import NotFound, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.store.protocol import Creation
from understudy.store.remote import objects
from understudy.store.remote.objects import RemoteStore
from understudy.store.remote.s3 import open_s3
from understudy.store.url import parse_url


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "s3.toml"
    path.touch(mode=0o600)
    path.write_text('access-key-id = "id"\nsecret-access-key = "hush-hush"\n')
    return path


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with serving(Hostile()) as server:
        yield server


@pytest.fixture
async def store(hostile: Hostile, keys: Path) -> AsyncIterator[RemoteStore]:
    store = open_s3(parse_url(f"s3://bucket?endpoint={hostile.endpoint}&credentials={keys}"))
    yield store
    await store.close()


async def every_failure(store: RemoteStore) -> list[UnderstudyError]:
    """What each operation raises, on an object that is there."""
    found: list[UnderstudyError] = []
    for operation in (store.create("new", [b"x"]), store.get("there"), store.head("there"), store.delete("there"), anext(store.list(""))):
        with pytest.raises(UnderstudyError) as caught:
            await operation
        found.append(caught.value)
    return found


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (503, "SlowDown", StoreUnavailable, "too much to do"),
        (500, "InternalError", StoreUnavailable, "tries again"),
        (429, "TooManyRequests", StoreUnavailable, "too much to do"),
        (400, "RequestTimeout", StoreUnavailable, "tries again"),
        (409, "ConditionalRequestConflict", StoreUnavailable, "no answer to either"),
        (404, "", StoreUnavailable, "tries again"),
        (403, "AccessDenied", StoreRefused, "policy"),
        (403, "SignatureDoesNotMatch", StoreRefused, "?credentials="),
        (403, "InvalidAccessKeyId", StoreRefused, "?credentials="),
        (403, "RequestTimeTooSkewed", StoreRefused, "clock"),
        (400, "ExpiredToken", StoreRefused, "renew the credentials"),
        (404, "NoSuchBucket", StoreRefused, "make the bucket"),
        (301, "PermanentRedirect", StoreRefused, "?region="),
        (400, "AuthorizationHeaderMalformed", StoreRefused, "?region="),
        (501, "NotImplemented", StoreRefused, "use another"),
    ],
)
async def test_what_the_server_says(
    store: RemoteStore, hostile: Hostile, status: int, code: str, kind: type[UnderstudyError], hint: str
) -> None:
    hostile.objects["there"] = b"value"

    async def answer(_request: web.Request) -> web.Response:
        return failure(status, code) if code else web.Response(status=status, text="<html>nothing here</html>")

    hostile.before = answer
    for error in await every_failure(store):
        assert type(error) is kind, error
        assert hint in error.hint, (error.message, error.hint)
        assert "127.0.0.1" in error.message
        assert "hush" not in error.message + error.hint
    assert hostile.objects == {"there": b"value"}


async def test_connections_that_are_cut(store: RemoteStore, hostile: Hostile) -> None:
    hostile.objects["there"] = b"value"
    hostile.before = hang_up
    for error in await every_failure(store):
        assert type(error) is StoreUnavailable
        assert "cut" in error.message


async def test_nobody_listens(keys: Path) -> None:
    async with serving(Hostile()) as gone:
        pass
    store = open_s3(parse_url(f"s3://bucket?endpoint={gone.endpoint}&credentials={keys}"))
    for error in await every_failure(store):
        assert type(error) is StoreUnavailable
        assert "nothing listens there" in error.message
        assert "running" in error.hint


async def test_an_answer_that_does_not_come(store: RemoteStore, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PATIENCE", 0.2)
    never = asyncio.Event()

    async def wait(_request: web.Request) -> None:
        await never.wait()

    hostile.objects["there"] = b"value"
    hostile.before = wait
    for error in await every_failure(store):
        assert type(error) is StoreUnavailable
        assert "did not answer within" in error.message


async def test_a_create_whose_answer_is_lost_may_have_taken_effect(store: RemoteStore, hostile: Hostile) -> None:
    async def cut(request: web.Request, _right: web.Response) -> web.StreamResponse:
        return await hang_up(request)

    hostile.after = cut
    with pytest.raises(StoreUnavailable):
        await store.create("a", [b"mine"])
    hostile.after = None
    assert hostile.objects == {"a": b"mine"}
    assert hostile.requests == ["PUT /bucket/a"], "nothing is repeated beneath those who must know"
    assert await store.create("a", [b"mine"]) is Creation.EXISTS


async def test_a_body_that_ends_early(store: RemoteStore, hostile: Hostile) -> None:
    async def truncated(request: web.Request, right: web.Response) -> web.StreamResponse:
        assert isinstance(right.body, bytes)
        half = web.StreamResponse(status=right.status, headers={**right.headers, "Content-Length": str(len(right.body))})
        await half.prepare(request)
        await half.write(right.body[: len(right.body) // 2])
        return await hang_up(request)

    hostile.objects["there"] = bytes(1 << 20)
    hostile.after = truncated
    for operation in (store.get("there"), store.get("there", 10, 1000), anext(store.list(""))):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
            await operation


@pytest.mark.parametrize(
    "said",
    [
        {"Content-Range": "bytes 1-5/10"},
        {"Content-Range": "bytes 0-2/10"},
        {"Content-Range": "bytes 0-9/9"},
        {"Content-Range": "bytes 0-3/4"},
    ],
)
async def test_another_part_than_was_asked_for(store: RemoteStore, hostile: Hostile, said: dict[str, str]) -> None:
    """As a broken proxy gives it: the length of the body is none of what was said."""

    async def another(_request: web.Request) -> web.Response:
        return web.Response(status=206, body=b"01234", headers={"ETag": '"e"', "Last-Modified": "Sun, 22 Nov 2026 09:00:00 GMT", **said})

    hostile.before = another
    for operation in (store.get("there"), store.get("there", 0, 7)):
        with pytest.raises(StoreUnavailable):
            await operation


async def test_a_server_without_ranges(store: RemoteStore, hostile: Hostile) -> None:
    async def all_of_it(_request: web.Request) -> web.Response:
        return web.Response(body=b"0123456789", headers={"ETag": '"e"', "Last-Modified": "Sun, 22 Nov 2026 09:00:00 GMT"})

    hostile.before = all_of_it
    with pytest.raises(StoreRefused) as caught:
        await store.get("there", 2, 3)
    assert "parts of objects" in caught.value.hint


async def test_a_list_out_of_order(store: RemoteStore, hostile: Hostile) -> None:
    hostile.objects |= {"a": b"", "b": b""}
    hostile.listed = lambda names: sorted(names, reverse=True)
    with pytest.raises(StoreRefused, match="out of order"):
        _ = [info async for info in store.list("")]


async def test_foreign_objects_are_not_listed(store: RemoteStore, hostile: Hostile) -> None:
    hostile.objects |= {"README": b"", "a/B": b"", "a/b": b"12", "z": b""}
    assert [info async for info in store.list("")] == [("a/b", 2), ("z", 0)]
    assert [info.name async for info in store.list("a/")] == ["a/b"]


async def test_nothing_is_listed_that_is_not_wanted(store: RemoteStore, hostile: Hostile) -> None:
    hostile.objects |= {f"log/{number:04d}": b"" for number in range(100)}
    assert [info.name async for info in store.list("log/", "log/0098")] == ["log/0099"]
    assert hostile.requests.pop() == "GET /bucket?list-type=2&prefix=log%2F&start-after=log%2F0098"
    assert [info.name async for info in store.list("log/", "machines/")] == []
    assert hostile.requests == []


async def test_who_is_cancelled_may_use_the_buffers_again_at_once(store: RemoteStore, hostile: Hostile) -> None:
    """Sent without a copy, to a server that does not read: then nothing may read them any more, and a bytearray can be resized."""
    here, never = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request) -> None:
        here.set()
        await never.wait()

    hostile.before = wait
    buffer = bytearray(16 << 20)
    creating = asyncio.create_task(store.create("a", [buffer]))
    arrived = asyncio.create_task(here.wait())
    await asyncio.wait((creating, arrived), return_when=asyncio.FIRST_COMPLETED)
    assert not creating.done(), creating.exception()
    with pytest.raises(BufferError):
        buffer.extend(b"x")
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    buffer.extend(b"x")


async def test_a_closed_store(store: RemoteStore) -> None:
    await store.close()
    for error in await every_failure(store):
        assert "closed" in error.message


async def test_what_is_not_there(store: RemoteStore, hostile: Hostile) -> None:
    for length in (None, 0, 3):
        with pytest.raises(NotFound):
            await store.get("there", 0, length)
    assert await store.head("there") is None
    hostile.objects["there"] = b""
    assert await store.get("there", 0, 0) == b""
    assert await store.head("there") == ("there", 0)
