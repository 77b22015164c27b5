"""What is of no use to anybody any more holds no memory that its peer could use."""

import asyncio
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.peer.pair import TERMS, served
from tests.peer.thief import Line, said
from understudy.engine import PeerLimits
from understudy.errors import NotFound, OverQuota, StoreUnavailable
from understudy.model import Bytes
from understudy.peer.memory import PATIENCE, Memory
from understudy.peer.uploads import HALF, IDLE, Uploads
from understudy.store.file import FileStore
from understudy.store.protocol import Creation


def here() -> bool:
    return False


async def test_what_could_not_be_stored_is_given_up_at_once() -> None:
    memory = Memory(10, 10)
    uploads = Uploads(memory)

    async def fails(name: str, data: Bytes) -> Creation:
        raise StoreUnavailable("down")

    async def stores(name: str, data: Bytes) -> Creation:
        assert bytes(data) == b"abc"
        return Creation.CREATED

    async with uploads.writing("a", "1", "x", 3, here) as upload:
        upload.write(0, b"abc")
        with pytest.raises(StoreUnavailable, match="down"):
            await uploads.settled(upload, fails)
        # Who did not hear of it is not told that it waits still to be stored.
        with pytest.raises(StoreUnavailable, match="given up"):
            await uploads.settled(upload, stores)
    assert memory.taken() == 0
    with pytest.raises(NotFound):
        uploads.find("a", "1")
    async with uploads.writing("a", "1", "x", 3, here) as upload:
        upload.write(0, b"abc")
        assert await uploads.settled(upload, stores) is Creation.CREATED
    assert memory.taken() == 0


async def test_half_an_upload_goes_before_who_waits_for_its_memory_is_sent_away() -> None:
    """Outcomes, which take none, are there for longer."""
    assert HALF < PATIENCE < IDLE
    memory = Memory(10, 10)
    uploads = Uploads(memory)

    async def stores(name: str, data: Bytes) -> Creation:
        return Creation.CREATED

    async with uploads.writing("a", "whole", "x", 1, here) as whole:
        whole.write(0, b"a")
        assert await uploads.settled(whole, stores) is Creation.CREATED
    async with uploads.writing("a", "half", "y", 9, here) as half:
        half.write(0, b"ab")
        half.used -= 2 * IDLE
        uploads.sweep()
        assert memory.taken() == 9
    for seconds, taken in ((HALF - 1, 9), (2, 0)):
        for upload in (half, whole):
            upload.used -= seconds
        uploads.sweep()
        assert memory.taken() == taken
        assert uploads.find("a", "whole") is whole
    with pytest.raises(NotFound):
        uploads.find("a", "half")
    whole.used -= IDLE
    uploads.sweep()
    with pytest.raises(NotFound):
        uploads.find("a", "whole")


async def test_who_is_gone_takes_no_memory_when_its_turn_comes() -> None:
    memory = Memory(10, 10)
    uploads = Uploads(memory)
    gone: set[str] = set()

    async def write(client: str, upload: str) -> None:
        async with uploads.writing("a", upload, "x", 10, lambda: client in gone):
            pass

    first = await memory.take("a", 10)
    # Of each client one waits for memory, and two for the one that does.
    clients = {client: [asyncio.create_task(write(client, client)) for _ in range(3)] for client in ("1", "2", "3")}
    await asyncio.sleep(0)
    gone |= {"1", "2"}
    memory.give_back(first)
    await asyncio.gather(*clients["3"])
    for client in gone:
        assert all(isinstance(task.exception(), ConnectionResetError) for task in clients[client])
    assert memory.taken() == 10
    assert uploads.find("a", "3").size == 10
    with pytest.raises(ConnectionResetError):
        await memory.take("b", 0, lambda: True)
    assert memory.taken() == 10


async def test_a_peer_is_not_locked_out_by_what_a_store_refused(tmp_path: Path) -> None:
    """Its share is one such object."""
    file = FileStore(tmp_path / "vault", make=True)
    faulty = FaultyStore(file)
    async with served(tmp_path, faulty, TERMS._replace(memory=8 << 20)) as site:
        store = await site.joined("b")
        faulty.plan(Fault(Action.FAIL_BEFORE, op="create", times=2))
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="the store that it serves"):
                await store.create("a", [bytes(4 << 20)])
        assert await store.create("a", [bytes(4 << 20)]) is Creation.CREATED
    await file.close()


async def test_a_peer_is_not_locked_out_by_its_own_connections_that_broke(tmp_path: Path) -> None:
    size = 4 << 20
    async with served(tmp_path, terms=TERMS._replace(memory=2 * size)) as site:
        store = await site.joined("b")
        lines = [await Line.open(site, "b") for _ in range(4)]
        for number, line in enumerate(lines):
            await line.begin("PUT", f"/peer/1/uploads/{min(number, 1):032x}/{min(number, 1)}?size={size}&at=0", size)
            line.writer.write(bytes(1000))
            # What comes behind it finds it where it waits.
            await said(site, "b", "GET", "/peer/1/about")
        for line in lines[1:]:
            line.close()
        await said(site, "b", "GET", "/peer/1/about")
        lines[0].writer.write(bytes(size - 1000))
        assert (await lines[0].heard()).body == b'{"creation":"created"}'
        lines[0].close()
        assert await store.create("a", [bytes(size)]) is Creation.CREATED


async def test_what_is_repeated_where_the_quota_is_used_up_is_there(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        store = await site.joined("b", PeerLimits(quota=5 << 20))
        for name, size in (("alone", 1 << 20), ("parts", 3 << 20)):
            assert await store.create(name, [bytes(size)]) is Creation.CREATED
            assert await store.create(name, [bytes(size)]) is Creation.EXISTS
        with pytest.raises(OverQuota, match="quota is used up"):
            await store.create("other", [bytes(3 << 20)])
