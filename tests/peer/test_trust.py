"""Each side knows whom it talks to, and says clearly what is wrong where it does not."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from tests.peer.pair import HASTY, Served, served
from tests.peer.thief import said
from understudy.engine import Peer
from understudy.errors import AccessDenied, Conflict, StateFailed, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.pairing.certificates import RENEW, is_fresh, new_authority, new_leaf, new_request, sign_peer
from understudy.pairing.credential import Credential, write_credential
from understudy.pairing.key import VALID
from understudy.pairing.tls import SITE, client_context, server_context, trusting_context
from understudy.peer.authority import authority_here, leaf_here
from understudy.peer.database import FILE
from understudy.peer.few import Few
from understudy.store.peer.joining import join
from understudy.store.peer.store import PeerStore

PEER = "0123456789abcdef"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as site:
        yield site


def parts_of(path: Path) -> Credential:
    begin = "-----BEGIN CERTIFICATE-----"
    key, certificate, authority = path.read_text().split(begin)
    return Credential(key, begin + certificate, begin + authority)


async def refused(store: PeerStore) -> UnderstudyError:
    try:
        await store.head("x")
    except UnderstudyError as error:
        return error
    finally:
        await store.close()
    raise AssertionError("it was let in")


async def test_a_certificate_of_another_authority_is_not_let_in(site: Served) -> None:
    await site.joined("b")
    path = site.credential("b")
    mine, request, other = parts_of(path), new_request(), new_authority("other")
    write_credential(path, Credential(request.private_key, sign_peer(other, request.request, PEER), mine.authority))
    error = await refused(site.opened("b"))
    assert isinstance(error, StoreRefused)
    assert "none that its authority signed for a peer" in error.message
    assert "peer join --again" in error.hint


async def test_one_that_has_expired_is_not_let_in(site: Served) -> None:
    await site.joined("b")
    path, authority = site.credential("b"), authority_here(site.directory, "there")
    mine, request = parts_of(path), new_request()
    expired = sign_peer(authority, request.request, PEER, timedelta(hours=-1))
    write_credential(path, Credential(request.private_key, expired, mine.authority))
    error = await refused(site.opened("b"))
    assert isinstance(error, StoreRefused)
    assert "this peer's certificate has expired" in error.message
    assert "clocks" in error.hint


async def test_what_proves_a_site_does_not_prove_a_peer_and_the_other_way_round(site: Served, tmp_path: Path) -> None:
    await site.joined("b")
    path = site.credential("b")
    mine = parts_of(path)
    leaf = (site.directory / "site.pem").read_text().split("-----BEGIN CERTIFICATE-----")
    write_credential(path, Credential(leaf[0], "-----BEGIN CERTIFICATE-----" + leaf[1], mine.authority))
    error = await refused(site.opened("b"))
    assert "none that its authority signed for a peer" in error.message

    # A peer that listens in the site's place.
    stolen = tmp_path / "stolen.pem"
    write_credential(stolen, mine)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stolen)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    write_credential(path, mine)
    error = await refused(site.opened("b", port=server.sockets[0].getsockname()[1]))
    assert isinstance(error, StoreRefused)
    assert "is not the site that this one joined" in error.message
    server.close()


async def test_a_peer_that_is_on_no_record_is_not_let_in_whoever_signed_it(site: Served) -> None:
    await site.joined("b")
    path, authority = site.credential("b"), authority_here(site.directory, "there")
    mine, request = parts_of(path), new_request()
    write_credential(path, Credential(request.private_key, sign_peer(authority, request.request, PEER), mine.authority))
    error = await refused(site.opened("b"))
    assert isinstance(error, StoreRefused)
    assert "does not know this peer" in error.message


async def test_another_site_at_the_address_is_refused(site: Served, tmp_path: Path) -> None:
    await site.joined("b")
    async with served(tmp_path / "other") as other:
        error = await refused(site.opened("b", port=other.port))
        assert isinstance(error, StoreRefused)
        assert "is not the site that this one joined" in error.message
        with pytest.raises(StoreRefused, match="not the site that made this registration key"):
            await join(site.invited("c", port=other.port), tmp_path / "c")


async def test_a_site_whose_certificate_has_expired_is_not_believed(tmp_path: Path) -> None:
    directory = tmp_path / "there" / "peers"
    async with served(tmp_path) as site:
        await site.joined("b")
        authority = authority_here(directory, "there")
        (directory / "expired.pem").write_bytes(new_leaf(authority, days=-0.5))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "expired.pem")
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        error = await refused(site.opened("b", port=server.sockets[0].getsockname()[1]))
        assert isinstance(error, StoreUnavailable)
        assert "has expired" in error.message
        assert "clocks" in error.hint
        server.close()


def test_what_proves_a_site_is_renewed_before_it_expires(tmp_path: Path) -> None:
    authority = authority_here(tmp_path, "there")
    assert authority_here(tmp_path, "there").pin == authority.pin
    path, anew = leaf_here(tmp_path, authority)
    assert anew
    assert leaf_here(tmp_path, authority) == (path, False)
    leaf = path.read_bytes()
    assert is_fresh(authority, leaf)
    assert not is_fresh(authority, leaf, datetime.now(UTC) + timedelta(days=90) - RENEW)
    path.write_bytes(new_leaf(authority, days=29))
    assert leaf_here(tmp_path, authority) == (path, True)
    path.write_bytes(new_leaf(new_authority("other")))
    assert leaf_here(tmp_path, authority) == (path, True)
    path.write_bytes(b"half a file")
    assert leaf_here(tmp_path, authority) == (path, True)
    assert path.stat().st_mode & 0o077 == 0
    (tmp_path / "authority.pem").write_bytes(b"half a file")
    with pytest.raises(StateFailed, match="authority"):
        authority_here(tmp_path, "there")


async def test_without_a_certificate_one_may_join_and_no_more(site: Served) -> None:
    context = client_context(authority_here(site.directory, "there").pem)
    for path in ("/peer/1/about", "/peer/1/list", "/peer/1/objects/vault", "/", "/peer/1/../../etc/passwd"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context, server_hostname=SITE)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        assert answer.split()[1] in (b"403", b"404"), path
        writer.transport.abort()


async def test_nothing_older_than_tls_1_3_is_spoken(site: Served) -> None:
    context = trusting_context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):  # noqa: PT011
        await asyncio.open_connection("127.0.0.1", site.port, ssl=context)


async def test_keys_that_let_nobody_in_say_why(site: Served, tmp_path: Path) -> None:
    key = site.invited("used")
    await join(key, tmp_path / "first")
    with pytest.raises(AccessDenied, match="was used already"):
        await join(key, tmp_path / "second")
    old = site.invited("old", now=time.time_ns() - int(VALID * 1e9) - 1)
    with pytest.raises(AccessDenied, match="five days"):
        await join(old, tmp_path / "second")
    with pytest.raises(AccessDenied, match="does not know this registration key"):
        await join(key._replace(peer=PEER), tmp_path / "second")
    revoked = site.invited("revoked")
    site.registry().revoke("revoked")
    with pytest.raises(AccessDenied, match="revoked"):
        await join(revoked, tmp_path / "second")
    assert [path for path in (tmp_path / "second").rglob("*") if path.is_file()] == []
    with pytest.raises(Conflict, match="has joined"):
        await join(site.invited("again"), tmp_path / "first")


async def test_who_tries_keys_is_not_listened_to_for_long_and_costs_no_write(site: Served, tmp_path: Path) -> None:
    key = site.invited("b")
    database = site.directory / f"{FILE}-wal"
    before = database.stat()
    for number in range(10):
        with pytest.raises(AccessDenied, match="does not know this registration key"):
            await join(key._replace(secret=f"guess-{number}"), tmp_path / "b")
    for secret in ("guess", key.secret):
        with pytest.raises(StoreUnavailable, match="too many registration keys"):
            await join(key._replace(secret=secret), tmp_path / "b")
    assert database.stat().st_mtime_ns == before.st_mtime_ns
    assert [peer.state for peer in site.registry().peers()] == ["invited"]


def test_each_is_forgotten_at_the_pace_that_is_allowed() -> None:
    now = 0.0
    few = Few(3, 60.0, lambda: now)
    for _ in range(3):
        assert not few.are_too_many("a")
        few.count("a")
    assert few.are_too_many("a")
    assert not few.are_too_many("b")
    now = 21.0
    assert not few.are_too_many("a")
    few.count("a")
    assert few.are_too_many("a")
    for number in range(2000):
        few.count(str(number))
    assert not few.are_too_many("a")


async def test_two_who_join_with_one_key_at_once_are_one_and_a_refusal(site: Served, tmp_path: Path) -> None:
    key = site.invited("b")
    outcomes = await asyncio.gather(*(join(key, tmp_path / name) for name in ("one", "two")), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AccessDenied", "Joined"]


def forget(credential: Path, peer: str) -> None:
    """As a process leaves it that is killed after the site had signed, and before the credential was kept."""
    credential.with_name(f"{peer}.joining").write_text(parts_of(credential).private_key)
    credential.unlink()


async def test_one_who_did_not_hear_the_answer_joins_with_the_same_key_again(site: Served, tmp_path: Path) -> None:
    key = site.invited("b")
    joined = await join(key, tmp_path / "b")
    await asyncio.to_thread(forget, Path(joined.credential), key.peer)
    again = await join(key, tmp_path / "b")
    store = PeerStore(site.address, Path(again.credential), HASTY)
    assert await store.head("x") is None
    await store.close()


async def test_who_joins_with_the_same_key_again_is_told_once_and_not_heard_for_long(tmp_path: Path) -> None:
    told: list[Peer] = []
    async with served(tmp_path, told=told) as site:
        key = site.invited("b")
        joined = await join(key, tmp_path / "b")

        async def often() -> None:
            for _ in range(100):
                await asyncio.to_thread(forget, Path(joined.credential), key.peer)
                await join(key, tmp_path / "b")

        with pytest.raises(StoreUnavailable, match="too many registration keys"):
            await often()
        assert [peer.id for peer in told] == [key.peer]


def changed(path: Path, text: str | None, mode: int) -> None:
    if text is not None:
        path.write_text(text)
    path.chmod(mode)


async def test_the_private_key_is_for_its_owner_alone(site: Served, tmp_path: Path) -> None:
    joined = await join(site.invited("b"), tmp_path / "b")
    path = Path(joined.credential)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["credential.pem"]
    for text, mode, kind in ((None, 0o644, AccessDenied), ("nonsense", 0o600, StateFailed)):
        changed(path, text, mode)
        assert isinstance(await refused(PeerStore(site.address, path.parent, HASTY)), kind)
    os.unlink(path)
    error = await refused(PeerStore(site.address, path, HASTY))
    assert isinstance(error, StoreRefused)
    assert "peer join" in error.hint


async def test_what_is_no_site_at_all_is_told_apart(site: Served, tmp_path: Path) -> None:
    await site.joined("b")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    error = await refused(site.opened("b", port=port))
    assert isinstance(error, StoreUnavailable)
    assert "does not speak TLS" in error.message
    await runner.cleanup()
    error = await refused(site.opened("b", port=port))
    assert isinstance(error, StoreUnavailable)
    assert "cannot be reached" in error.message
    heard = await said(site, "b", "GET", "/nothing/here")
    assert heard.status == 404
    assert heard.error["code"] == "not_found"


async def test_who_answers_without_end_is_not_listened_to(site: Served, tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            for _ in range(64):
                await response.write(bytes(1 << 20))
        return response

    await site.joined("b")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    authority = authority_here(site.directory, "there")
    context = server_context(leaf_here(site.directory, authority)[0], authority.pem)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    store = site.opened("b", port=port)
    for asked in (join(site.invited("c", port=port), tmp_path / "c"), store.head("x"), store.get("x", 0, 100), store.get("x")):
        with pytest.raises(StoreUnavailable, match="gave more than was asked for"):
            await asked
    await runner.cleanup()
