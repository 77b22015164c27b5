"""Following: nothing is missed between two connections, nobody is held up, and it ends when the daemon does."""

import asyncio
import contextlib
import socket as raw_socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.api.fake_service import FakeService, event
from understudy.api import Settings, make_app, stream
from understudy.errors import Conflict


async def blocks(response: aiohttp.ClientResponse) -> AsyncIterator[list[str]]:
    """Each event's lines."""
    found: list[str] = []
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line:
            found.append(line)
        else:
            yield found
            found = []


async def test_events_and_jobs_are_followed(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.events_now[:] = [event(number) for number in range(1, 4)]
    async with http.get("/v1/stream", headers={"Last-Event-ID": "1"}) as response:
        assert response.content_type == "text/event-stream"
        told = blocks(response)
        assert await anext(told) == ["retry: 2000"]
        assert [(await anext(told))[:2] for _ in range(2)] == [["id: 2", "event: event"], ["id: 3", "event: event"]]
        async with http.post("/v1/scrub") as started:
            job = await started.json()
        first = await anext(told)
        assert first[0] == "event: job"
        assert job["id"] in first[1]
        service.tell(event(4, message="two\nlines"))
        while (block := await anext(told))[0] == "event: job":
            pass
        assert block[0] == "id: 4"
        assert len(block) == 3
    await asyncio.wait_for(_gone(service), 20)


async def _gone(service: FakeService) -> None:
    """The server forgets a reader when it next tells it something."""
    while service.readers:
        service.tell(event(9))
        await asyncio.sleep(0.01)


async def test_only_one_job_is_followed_where_it_is_named(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    jobs = []
    for _ in range(2):
        async with http.post("/v1/scrub") as started:
            jobs.append((await started.json())["id"])
    async with http.get("/v1/stream", params={"job": jobs[1]}) as response:
        told = blocks(response)
        await anext(told)
        for job in jobs:
            service.end(job, result={})
        assert jobs[1] in (await anext(told))[1]


async def test_what_ends_the_stream_is_told(http: aiohttp.ClientSession, service: FakeService) -> None:
    async with http.get("/v1/stream") as response:
        told = blocks(response)
        await anext(told)
        service.tell(Conflict("too slow", hint="go on after your last event"))
        kind, data = await anext(told)
        assert (kind, "too slow" in data) == ("event: error", True)
        assert [block async for block in told] == []


async def test_a_silent_stream_is_kept_alive(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.02)
    async with http.get("/v1/stream") as response:
        told = blocks(response)
        assert [await anext(told) for _ in range(3)] == [["retry: 2000"], [": still here"], [": still here"]]


@pytest.mark.parametrize("last", ["x", "-1", "1" * 19, "٣"])
async def test_an_id_that_is_none_is_refused(http: aiohttp.ClientSession, last: str) -> None:
    async with http.get("/v1/stream", headers={"Last-Event-ID": last}) as response:
        assert response.status == 422


async def test_who_does_not_read_is_ended(socket: str, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SLOWEST_SECONDS", 0.1)
    with contextlib.closing(await asyncio.to_thread(_reader, socket)):
        # What the kernel holds for both ends fills first.
        number = 0
        while number == 0 or service.readers:
            number += 1
            service.tell(event(number, message="x" * 60_000))
            await asyncio.sleep(0.01)
    assert number > 1


def _reader(socket: str) -> raw_socket.socket:
    """It asks, and reads no more than the beginning."""
    reader = raw_socket.socket(raw_socket.AF_UNIX)
    reader.connect(socket)
    reader.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


async def test_readers_do_not_keep_a_daemon_from_ending(service: FakeService, tmp_path: object) -> None:
    runner = web.AppRunner(make_app(service, Settings()), shutdown_timeout=60)
    await runner.setup()
    path = f"{tmp_path}/api.sock"
    await web.UnixSite(runner, path).start()
    connector = aiohttp.UnixConnector(path=path)
    async with aiohttp.ClientSession("http://localhost", connector=connector) as session, session.get("/v1/stream") as response:
        told = blocks(response)
        await anext(told)
        cleanup = asyncio.create_task(runner.cleanup())
        assert [block async for block in told] == []
        await cleanup
    assert service.readers == []
