"""What a stolen source's credential cannot do at the site that serves it, whatever it sends."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.peer.pair import TERMS, Served, served
from tests.peer.thief import Line, said
from understudy.engine import PeerLimits
from understudy.errors import StoreRefused, StoreUnavailable
from understudy.pairing.wire import PART
from understudy.peer.ledger import OVERHEAD
from understudy.store.file import FileStore
from understudy.store.protocol import Creation

OBJECTS, SIZES, UPLOADS, LIST = "/peer/1/objects/", "/peer/1/sizes/", "/peer/1/uploads/", "/peer/1/list"


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[FileStore]:
    store = FileStore(tmp_path / "vault", make=True)
    await store.create("theirs/vault", [b"of another site"])
    await store.create("b-too/vault", [b"its name begins alike"])
    await store.create("secret", [b"beside all"])
    yield store
    await store.close()


@pytest.fixture
async def site(tmp_path: Path, vault: FileStore) -> AsyncIterator[Served]:
    async with served(tmp_path, vault) as site:
        store = await site.joined("thief", PeerLimits(prefix="b", quota=20 << 20))
        await store.create("mine", [b"first"])
        yield site


async def everything(vault: FileStore) -> dict[str, bytes]:
    return {info.name: await vault.get(info.name) for info in [info async for info in vault.list("")]}


async def test_it_deletes_and_overwrites_nothing(site: Served, vault: FileStore) -> None:
    before = await everything(vault)
    store = site.opened("thief")
    assert not store.capabilities.deletes
    with pytest.raises(StoreRefused, match="may not delete"):
        await store.delete("mine")
    assert await store.create("mine", [b"other"]) is Creation.EXISTS
    assert await store.create("mine", [b"x" * (PART + 1)]) is Creation.EXISTS
    for method in ("DELETE", "POST", "PATCH", "OPTIONS", "PROPFIND"):
        assert (await said(site, "thief", method, OBJECTS + "mine")).status in (403, 405)
    for method in ("PUT", "DELETE", "POST"):
        assert (await said(site, "thief", method, LIST, b"{}")).status == 405
    assert await everything(vault) == before


ELSEWHERE = [
    "../theirs/vault",
    "..%2Ftheirs%2Fvault",
    "%2e%2e/theirs/vault",
    "%2E%2E%2Ftheirs%2Fvault",
    "..%252Ftheirs%252Fvault",
    "x/../../theirs/vault",
    "x/%2e%2e/%2e%2e/secret",
    ".%2e/secret",
    "./../secret",
    "%2Fsecret",
    "/secret",
    "//secret",
    "..%5Csecret",
    "..\\secret",
    "..%c0%afsecret",
    "%00",
    "secret%00",
    "%e2%80%a5/secret",
    "..;/secret",
    ".../secret",
    "-too/vault",
    "",
    "?name=secret",
    "x" * 2000,
]


async def test_no_name_and_no_encoding_leads_out_of_its_prefix(site: Served, vault: FileStore) -> None:
    before = await everything(vault)
    for path in ELSEWHERE:
        for method, below in (("GET", OBJECTS), ("GET", SIZES), ("PUT", OBJECTS), ("DELETE", OBJECTS)):
            heard = await said(site, "thief", method, below + path, b"planted" if method == "PUT" else b"")
            assert b"of another site" not in heard.body
            assert b"beside all" not in heard.body
            if heard.status == 200 and method == "GET":
                assert heard.body == b'{"size":null}'
        planted = await said(site, "thief", "PUT", f"{UPLOADS}{'0' * 32}/{path}?size=7&at=0", b"planted")
        assert planted.status in (200, 400, 403, 404, 405, 409, 422)
    after = await everything(vault)
    assert {name: data for name, data in after.items() if not name.startswith("b/")} == {
        name: data for name, data in before.items() if not name.startswith("b/")
    }


async def test_a_listing_shows_nothing_but_its_own(site: Served) -> None:
    for query in ("", "prefix=", "prefix=../", "prefix=../theirs", "prefix=/", "prefix=-too", "prefix=%00", "after=../", "prefix=a/../../"):
        heard = await said(site, "thief", "GET", f"{LIST}?{query}")
        assert heard.status in (200, 422)
        for name in (b"theirs", b"too", b"secret"):
            assert name not in heard.body


async def test_it_stores_no_more_than_its_quota_however_it_goes_about_it(site: Served, vault: FileStore) -> None:
    store = site.opened("thief")
    with pytest.raises(StoreUnavailable, match="quota"):
        await store.create("large", [bytes(20 << 20)])
    outcomes = await asyncio.gather(*(store.create(f"many/{number}", [bytes(3 << 20)]) for number in range(12)), return_exceptions=True)
    assert outcomes.count(Creation.CREATED) == 6
    with pytest.raises(StoreUnavailable, match="quota") as caught:
        await store.create("large", [bytes(5 << 20)])
    assert "peer limit" in caught.value.hint
    held = sum([info.size + OVERHEAD async for info in vault.list("b/")])
    registry = site.registry()
    peer = next(peer for peer in registry.peers() if peer.name == "thief")
    assert held == peer.used <= 20 << 20
    registry.limit("thief", quota=30 << 20)
    assert await store.create("large", [bytes(5 << 20)]) is Creation.CREATED


async def test_what_the_serving_site_collected_counts_no_more(site: Served, vault: FileStore) -> None:
    store = site.opened("thief")
    for number in range(4):
        await store.create(f"many/{number}", [bytes(4 << 20)])
    for number in range(4):
        await vault.delete(f"b/many/{number}")
    for _ in range(200):
        try:
            await store.create("anew", [bytes(4 << 20)])
            break
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    assert await store.get("anew") == bytes(4 << 20)
    registry = site.registry()
    assert next(peer for peer in registry.peers() if peer.name == "thief").used == (4 << 20) + 5 + 2 * OVERHEAD


async def test_what_may_have_been_stored_counts(tmp_path: Path) -> None:
    faulty = FaultyStore(FileStore(tmp_path / "vault", make=True))
    async with served(tmp_path, faulty) as site:
        store = await site.joined("b", PeerLimits(quota=10_000))
        faulty.plan(Fault(Action.FAIL_AFTER, op="create"))
        with pytest.raises(StoreUnavailable):
            await store.create("a", [bytes(8000)])
        with pytest.raises(StoreUnavailable, match="quota"):
            await store.create("b", [bytes(8000)])
        faulty.plan()
        assert await store.create("a", [bytes(8000)]) is Creation.EXISTS
        assert next(peer for peer in site.registry().peers()).used == 8000 + OVERHEAD
    await faulty.close()


async def test_no_peer_reaches_what_another_one_is_sending(site: Served, vault: FileStore) -> None:
    await site.joined("honest", PeerLimits(prefix="b"))
    upload, half = "a" * 32, b"h" * 1000
    heard = await said(site, "honest", "PUT", f"{UPLOADS}{upload}/object?size=2000&at=0", half)
    assert heard.body == b'{"creation":null}'
    assert (await said(site, "thief", "GET", f"{UPLOADS}{upload}")).status == 404
    heard = await said(site, "thief", "PUT", f"{UPLOADS}{upload}/object?size=2000&at=1000", b"t" * 1000)
    assert heard.body == b'{"creation":null}'
    heard = await said(site, "honest", "PUT", f"{UPLOADS}{upload}/object?size=2000&at=1000", half)
    assert heard.body == b'{"creation":"created"}'
    assert await vault.get("b/object") == half * 2


async def test_parts_that_are_of_no_object_are_refused(site: Served, vault: FileStore) -> None:
    for query in (
        "size=10&at=0",
        "size=2000&at=1001",
        "size=-1&at=0",
        "size=2000&at=-1",
        "size=2000",
        "at=0",
        "size=1e3&at=0",
        "size=x&at=0",
    ):
        assert (await said(site, "thief", "PUT", f"{UPLOADS}{'b' * 32}/object?{query}", b"h" * 1000)).status == 422
    assert await vault.head("b/object") is None


async def test_an_upload_is_of_one_object_alone(site: Served, vault: FileStore) -> None:
    path = f"{UPLOADS}{'c' * 32}/"
    await said(site, "thief", "PUT", f"{path}one?size=2000&at=0", b"h" * 1000)
    assert (await said(site, "thief", "PUT", f"{path}two?size=2000&at=1000", b"h" * 1000)).status == 409
    assert (await said(site, "thief", "PUT", f"{path}one?size=1000&at=0", b"h" * 1000)).status == 409
    assert await vault.head("b/one") is None
    assert await vault.head("b/two") is None


async def test_it_takes_no_more_memory_than_its_share_and_others_go_on(tmp_path: Path, vault: FileStore) -> None:
    async with served(tmp_path, vault, TERMS._replace(memory=32 << 20)) as site:
        await site.joined("thief")
        honest = await site.joined("honest", PeerLimits(prefix="b"))
        lines = [await Line.open(site, "thief") for _ in range(40)]
        for number, line in enumerate(lines):
            await line.begin("PUT", f"{OBJECTS}hog/{number}", 4 << 20)
            line.writer.write(b"h")
        too_large = await said(site, "thief", "PUT", f"{UPLOADS}{'d' * 32}/large?size={17 << 20}&at=0", b"h")
        assert too_large.status == 502
        assert "more than this site takes of one peer" in too_large.error["message"]
        for number in range(3):
            assert await honest.create(f"packs/{number}", [bytes(16 << 20)]) is Creation.CREATED
        for line in lines:
            line.close()


async def test_what_unfolds_into_more_than_was_said_is_stored_as_it_came(
    site: Served, vault: FileStore, caplog: pytest.LogCaptureFixture
) -> None:
    bomb = gzip.compress(bytes(4 << 20))
    for name in ("PUT /peer/1/objects/bomb", f"PUT {UPLOADS}{'f' * 32}/parts?size={len(bomb)}&at=0"):
        line = await Line.open(site, "thief")
        line.writer.write(f"{name} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)
        assert (await line.heard()).body == b'{"creation":"created"}'
        line.close()
    assert await vault.get("b/bomb") == await vault.get("b/parts") == bomb
    # Nor is what is no HTTP at all a fault of this site's.
    line = await Line.open(site, "thief")
    line.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100))
    assert b" 400 " in await line.reader.readline()
    line.close()
    assert not caplog.records


async def test_revoked_in_the_middle_of_an_upload_it_stored_nothing(site: Served, vault: FileStore) -> None:
    line, idle = await Line.open(site, "thief"), await Line.open(site, "thief")
    await idle.begin("GET", "/peer/1/about")
    assert (await idle.heard()).status == 200
    await line.begin("PUT", OBJECTS + "half", 1000)
    line.writer.write(b"h" * 999)
    await line.writer.drain()
    half = await said(site, "thief", "PUT", f"{UPLOADS}{'e' * 32}/parts?size=2000&at=0", b"h" * 1000)
    assert half.status == 200
    site.registry().revoke("thief")
    # Both are cut, also the one over which nothing goes.
    for cut in (line, idle):
        assert await cut.reader.read() == b""
    heard = await said(site, "thief", "PUT", f"{UPLOADS}{'e' * 32}/parts?size=2000&at=1000", b"h" * 1000)
    assert heard.status == 403
    assert "has revoked the peer 'thief'" in heard.error["message"]
    with pytest.raises(StoreRefused, match="revoked"):
        await site.opened("thief").get("mine")
    assert [info.name async for info in vault.list("b/")] == ["b/mine"]


async def test_revoked_between_its_last_byte_and_the_store_it_stored_nothing(tmp_path: Path) -> None:
    """Whoever is let in is looked at again at the last moment."""
    async with served(tmp_path, terms=TERMS._replace(watch=3600.0)) as site:
        await site.joined("thief")
        line = await Line.open(site, "thief")
        await line.begin("PUT", OBJECTS + "late", 1000)
        line.writer.write(b"h" * 999)
        assert (await said(site, "thief", "GET", "/peer/1/about")).status == 200
        site.registry().revoke("thief")
        line.writer.write(b"h")
        assert (await line.heard()).status == 403
    assert not (tmp_path / "vault" / "late").exists()
