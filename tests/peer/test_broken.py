"""Connections that break, hang, or whose site is killed: what was created is whole, and what was not is not there."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.peer.pair import TERMS, Served, SiteProcess, served
from tests.peer.proxy import Proxy, proxied
from tests.peer.thief import Line, said
from understudy.engine import PeerLimits
from understudy.errors import NotFound, StoreUnavailable
from understudy.pairing.address import Address
from understudy.pairing.tls import server_context, trusting_context
from understudy.pairing.wire import PART
from understudy.peer.authority import authority_here, leaf_here
from understudy.store.file import FileStore
from understudy.store.peer.channel import Channel, Patience
from understudy.store.peer.failures import Broken
from understudy.store.protocol import Creation
from understudy.store.retrying import RetryingStore

SHORT = Patience(connect=1.0, stall=0.5, answer=1.0)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as site:
        await site.joined("b")
        yield site


@pytest.fixture
async def proxy(site: Served) -> AsyncIterator[Proxy]:
    async with proxied(site.port) as proxy:
        yield proxy


def content(size: int) -> bytes:
    return Random(size).randbytes(size >> 4) * 16


async def test_an_upload_whose_connections_break_goes_on_where_they_did(site: Served, proxy: Proxy) -> None:
    store, data = site.opened("b", port=proxy.port), content(24 << 20)
    proxy.cut_after = 6 << 20
    assert await store.create("packs/one", [data]) is Creation.CREATED
    assert proxy.cuts == 1
    assert await store.get("packs/one") == data
    # What had arrived was not sent again, but for what was on its way in the connection that broke.
    assert proxy.passed < len(data) + PART + (1 << 20)


async def test_a_download_whose_connection_breaks_goes_on_where_it_did(site: Served, proxy: Proxy) -> None:
    store, data = site.opened("b", port=proxy.port), content(20 << 20)
    await store.create("packs/one", [data])
    reading = asyncio.create_task(store.get("packs/one"))
    cut = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        if cut < 2:
            cut += 1
            await proxy.close()
    assert await reading == data


async def test_who_swallows_bytes_is_found_out_in_time(site: Served, proxy: Proxy) -> None:
    store = site.opened("b", port=proxy.port, patience=SHORT)
    await store.create("there", [b"x"])
    proxy.swallow = True
    with pytest.raises(StoreUnavailable, match="does not answer in time"):
        await store.create("small", [b"x"])
    with pytest.raises(StoreUnavailable):
        await store.head("there")
    large = asyncio.create_task(store.create("large", [content(12 << 20)]))
    await asyncio.sleep(0.5)
    assert not large.done()
    proxy.swallow = False
    # The connections are dead still; new ones are not.
    assert await large is Creation.CREATED
    assert await store.get("large") == content(12 << 20)


async def test_half_a_body_is_given_up_by_the_site_and_frees_its_memory(tmp_path: Path) -> None:
    async with served(tmp_path, terms=TERMS._replace(stall=0.5, keep=1.0, memory=32 << 20)) as site:
        store = await site.joined("b")
        for number in range(4):
            line = await Line.open(site, "b")
            await line.begin("PUT", f"/peer/1/uploads/{number:032x}/half/{number}?size={4 << 20}&at=0", 4 << 20)
            line.writer.write(b"h" * 1000)
            assert await line.reader.read() == b""
            line.close()
        assert await store.create("whole", [content(16 << 20)]) is Creation.CREATED
        assert [info.name async for info in store.list("")] == ["whole"]


async def test_a_site_killed_in_the_middle_of_an_upload_has_none_of_it_or_all(tmp_path: Path) -> None:
    """Once while its bytes come, and once when all of them have, and it is being stored."""
    vault, data = tmp_path / "vault", content(16 << 20)
    process = SiteProcess(tmp_path / "there", vault)
    port = await asyncio.to_thread(process.start)
    site = Served(tmp_path / "there", tmp_path, port, AsyncExitStack())
    async with site.stack, proxied(port) as proxy:
        await site.joined("b")
        store = site.opened("b", port=proxy.port)
        for name, share in (("sent", 0.5), ("stored", 1.0)):
            proxy.expect(int(len(data) * share))
            creating = asyncio.create_task(store.create(name, [data]))
            await proxy.reached.wait()
            process.kill()
            assert await asyncio.to_thread(found, vault / name) in (None, data)
            await asyncio.to_thread(process.start)
            # It goes on by itself; or its caller says it again.
            try:
                outcome = await creating
            except StoreUnavailable:
                outcome = await store.create(name, [data])
            assert outcome in (Creation.CREATED, Creation.EXISTS)
            assert await asyncio.to_thread(found, vault / name) == data
            assert await store.get(name) == data
        process.stop()


def found(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


async def test_an_object_that_the_served_store_lost_or_cut_is_never_a_short_answer(tmp_path: Path) -> None:
    file = FileStore(tmp_path / "vault", make=True)
    async with served(tmp_path, Shortening(file)) as site:
        store = await site.joined("b")
        await store.create("packs/one", [content(20 << 20)])
        with pytest.raises(StoreUnavailable):
            await store.get("packs/one")
    await file.close()


class Shortening(FaultyStore):
    """Of pieces in the middle only half is read."""

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        data = await self.inner.get(name, start, length)
        return data[: len(data) // 2] if start >= 8 << 20 else data


async def test_that_the_served_store_failed_is_passed_on(tmp_path: Path) -> None:
    file = FileStore(tmp_path / "vault", make=True)
    faulty = FaultyStore(file)
    async with served(tmp_path, faulty) as site:
        store = await site.joined("b", PeerLimits(maintenance=True))
        faulty.plan(Fault(Action.FAIL_BEFORE, times=-1))
        began = time.monotonic()
        for size in (1, 6 << 20):
            with pytest.raises(StoreUnavailable, match="the store that it serves"):
                await store.create("a", [bytes(size)])
        with pytest.raises(StoreUnavailable, match="the store that it serves"):
            await store.get("a")
        with pytest.raises(StoreUnavailable, match="the store that it serves"):
            await store.delete("a")
        # What the site itself said is not asked again and again.
        assert time.monotonic() - began < 20
        assert len(faulty.calls) == 4
        faulty.plan(Fault(Action.FAIL_AFTER, op="create"))
        with pytest.raises(StoreUnavailable):
            await store.create("a", [bytes(6 << 20)])
        assert await store.create("a", [bytes(6 << 20)]) is Creation.EXISTS
        with pytest.raises(NotFound):
            await store.get("b")
        assert faulty.calls[0] == Call("create", "a")
    await file.close()


async def test_whoever_repeats_its_last_part_hears_the_outcome_and_stores_nothing_twice(site: Served, tmp_path: Path) -> None:
    path = f"/peer/1/uploads/{'f' * 32}/one?size=3&at=0"
    for _ in range(2):
        assert (await said(site, "b", "PUT", path, b"abc")).body == b'{"creation":"created"}'
    state = await said(site, "b", "GET", f"/peer/1/uploads/{'f' * 32}")
    assert state.body == b'{"missing":[],"creation":"created"}'
    # Nothing that comes after that is written into it.
    await said(site, "b", "PUT", path, b"xyz")
    assert await site.opened("b").get("one") == b"abc"


async def test_cancelled_creators_let_go_of_their_buffers(site: Served) -> None:
    """After the cancellation was raised nothing reads the buffer any more, so what is stored is what it held before."""
    store = site.opened("b")
    await store.head("warm")
    for number in range(12):
        buffer = bytearray(b"a" * 12_000_000)
        task = asyncio.create_task(store.create(f"x/{number}", [buffer]))
        await asyncio.sleep(0.003 * number)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        buffer[:] = b"b" * len(buffer)
    async for info in store.list("x/"):
        assert await store.get(info.name) == b"a" * 12_000_000


async def test_no_request_is_made_twice_unseen_by_who_made_it(tmp_path: Path) -> None:
    authority = authority_here(tmp_path, "there")
    leaf, _ = leaf_here(tmp_path, authority)
    requests: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            requests.append((await reader.readuntil(b"\r\n\r\n")).split()[0])
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=server_context(leaf, authority.pem)) as server:
        channel = Channel(Address("127.0.0.1", server.sockets[0].getsockname()[1]), trusting_context(), 1, SHORT)
        for method, views in (("PUT", [memoryview(b"x")]), ("DELETE", [])):
            with pytest.raises(Broken):
                await channel.receive(method, "/peer/1/objects/a", None, views, [])
        await channel.close()
    assert requests == [b"PUT", b"DELETE"]


async def test_what_reads_over_a_connection_that_has_gone_is_asked_for_again(site: Served, proxy: Proxy) -> None:
    store = RetryingStore(site.opened("b", port=proxy.port))
    assert await store.create("a", [b"x"]) is Creation.CREATED
    for number in range(2):
        proxy.cut_after = 0
        if number:
            assert [info.name async for info in store.list("")] == ["a"]
        else:
            assert (await store.head("a")) is not None
    assert proxy.cuts == 2
