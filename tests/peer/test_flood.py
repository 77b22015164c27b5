"""Whoever has no credential, or another one's, takes no place and no memory that a peer needs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peer.pair import TERMS, Served, served
from tests.peer.thief import Line
from understudy.pairing.tls import trusting_context
from understudy.peer import door
from understudy.store.protocol import Creation


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    for name, most in (("HANDSHAKES", 4), ("STRANGERS", 4), ("PEERS", 24)):
        monkeypatch.setattr(door, name, most)
    async with served(tmp_path) as site:
        yield site


async def test_connections_that_say_nothing_make_place_for_who_comes(site: Served) -> None:
    store = await site.joined("honest")
    raw = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(12)]
    tls = [await asyncio.open_connection("127.0.0.1", site.port, ssl=trusting_context()) for _ in range(12)]
    assert await store.create("a", [b"x"]) is Creation.CREATED
    assert await site.opened("honest").get("a") == b"x"
    # One more peer joins, though all places for strangers are taken.
    assert await (await site.joined("another")).get("a") == b"x"
    # The oldest lost their places to the others.
    for reader, _ in (*raw[:8], *tls[:6]):
        assert await gone(reader)
    for _, writer in (*raw, *tls):
        writer.transport.abort()


async def test_a_peer_that_takes_all_places_loses_them_to_another_one(site: Served) -> None:
    store = await site.joined("honest")
    await site.joined("thief")
    lines = [await Line.open(site, "thief") for _ in range(30)]
    assert await store.create("large", [bytes(6 << 20)]) is Creation.CREATED
    assert await store.get("large") == bytes(6 << 20)
    assert await gone(lines[0].reader)
    for line in lines:
        line.close()


async def test_who_never_comes_to_the_end_of_its_question_is_not_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        await site.joined("thief")
    async with served(tmp_path, terms=TERMS._replace(first=0.1)) as site:
        line = await Line.open(site, "thief")
        line.writer.write(b"GET /peer/1/about HT")
        assert await gone(line.reader)
        line.close()


async def test_two_that_drip_do_not_keep_the_memory_from_a_third(tmp_path: Path) -> None:
    async with served(tmp_path, terms=TERMS._replace(memory=24 << 20, grace=0.2)) as site:
        store = await site.joined("honest")
        lines = []
        for name in ("one", "two"):
            await site.joined(name)
            for number in range(8):
                lines.append(await Line.open(site, name))
                part = f"/peer/1/uploads/{number:032x}/{name}/{number}?size={4 << 20}&at=0"
                await lines[-1].begin("PUT", part if number % 2 else f"/peer/1/objects/{name}/{number}", 4 << 20)
                lines[-1].writer.write(b"x")
        for number in range(2):
            assert await store.create(f"large/{number}", [bytes(8 << 20)]) is Creation.CREATED
            assert await store.get(f"large/{number}") == bytes(8 << 20)
        for line in lines:
            line.close()


async def gone(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
