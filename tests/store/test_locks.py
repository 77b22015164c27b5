"""Locks against a server that means them, and against some that do not."""

from pathlib import Path

import pytest

from tests.store.locking import DAY, LockServer
from understudy.errors import StoreRefused, StoreUnavailable, Unsupported
from understudy.store.locks import Stored
from understudy.store.opening import open_locks
from understudy.store.remote.s3_locks import S3Locks


async def all_of(locks: S3Locks, prefix: str = "") -> list[Stored]:
    return [stored async for stored in locks.stored(prefix)]


async def test_a_server_that_means_it_withstands(lock_server: LockServer) -> None:
    locks = lock_server.locks("means-it")
    assert await locks.probe() == ()
    assert await locks.probe() == ()  # beside what the first one left
    assert await all_of(locks) == []  # which is no part of a vault
    await locks.close()


@pytest.mark.parametrize(
    ("bucket", "words"),
    [
        ("shortens", "shortened"),
        ("deletes", "deleted what was locked all the same"),
        ("bypassed", "for who has the right to pass locks"),
        ("forgets", "accepted a lock and does not know of it"),
    ],
)
async def test_one_that_does_not_is_told_by_what_it_did(lying_server: LockServer, bucket: str, words: str) -> None:
    locks = lying_server.locks(bucket)
    assert any(words in wrong for wrong in await locks.probe())
    await locks.close()


async def test_governance_can_be_passed(lock_server: LockServer) -> None:
    locks = lock_server.locks("governed", mode="GOVERNANCE", days=10)
    assert ["governance" in wrong for wrong in await locks.probe()] == [True]
    assert (await locks.terms()).first == 0
    await locks.close()


async def test_without_object_lock_nothing_is_asked_for(lock_server: LockServer) -> None:
    locks = lock_server.locks("bare", lock=False)
    for asked in (locks.terms, locks.probe):
        with pytest.raises(Unsupported, match="no object lock") as caught:
            await asked()
        assert "object lock" in caught.value.hint
    await locks.close()


async def test_a_rule_of_the_bucket_holds_from_the_first_moment(lock_server: LockServer) -> None:
    locks = lock_server.locks("ruled", mode="COMPLIANCE", days=20)
    assert await locks.probe() == ()
    terms = await locks.terms()
    assert terms.first == 20 * DAY
    lock_server.client.put_object(Bucket="ruled", Key="a/vault/new", Body=b"new")
    lock = await locks.locked("new")
    assert lock is not None
    assert lock.strict
    assert lock.until >= terms.now + terms.first - 1
    await locks.close()


async def test_a_version_is_locked_lengthened_and_never_shortened(lock_server: LockServer) -> None:
    locks = lock_server.locks("lengthened")
    now = (await locks.terms()).now
    for data in (b"ours", b"another"):
        lock_server.client.put_object(Bucket="lengthened", Key="a/vault/x/1", Body=data)
    (stored,) = await all_of(locks, "x/")
    ours = stored.versions[-1]
    assert (stored.name, ours.size, ours.latest) == ("x/1", 4, False)
    assert await locks.locked("x/1", ours.id) is None
    for until, then in ((now + 600, now + 600), (now + 60, now + 600), (now + 900, now + 900)):
        await locks.lock("x/1", ours.id, until)
        lock = await locks.locked("x/1", ours.id)
        assert lock is not None
        assert (lock.strict, round(lock.until)) == (True, round(then))
    assert await locks.locked("x/1") is None  # what is seen there is the other one
    with pytest.raises(StoreRefused):
        await locks.lock("x/1", "no-such-version", now + 60)
    assert await locks.locked("y") is None
    await locks.close()


async def test_what_covers_is_taken_away_or_overlaid(lock_server: LockServer) -> None:
    client, locks = lock_server.client, lock_server.locks("covered")
    now = (await locks.terms()).now
    for name in ("deleted", "overwritten", "nailed"):
        client.put_object(Bucket="covered", Key=f"a/vault/{name}", Body=b"ours")
    client.delete_object(Bucket="covered", Key="a/vault/deleted")
    client.put_object(Bucket="covered", Key="a/vault/overwritten", Body=b"theirs")
    nailed = client.put_object(Bucket="covered", Key="a/vault/nailed", Body=b"theirs")["VersionId"]
    await locks.lock("nailed", nailed, now + 600)
    for stored in await all_of(locks):
        *above, ours = stored.versions
        await locks.uncover(stored.name, ours.id, tuple(version.id for version in (*above, *stored.markers)))
        assert client.get_object(Bucket="covered", Key=f"a/vault/{stored.name}")["Body"].read() == b"ours"
    assert [len(stored.versions) for stored in await all_of(locks)] == [1, 3, 1]
    await locks.close()


async def test_versions_are_listed_page_by_page(lock_server: LockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.store.remote.s3_requests.PAGE", 2)
    locks = lock_server.locks("paged")
    for name in ("a", "b", "b", "b", "b", "c"):
        lock_server.client.put_object(Bucket="paged", Key=f"a/vault/{name}", Body=b"x")
    lock_server.client.delete_object(Bucket="paged", Key="a/vault/b")
    lock_server.client.put_object(Bucket="paged", Key="a/vaulted", Body=b"not ours")
    found = [(stored.name, len(stored.versions), len(stored.markers)) for stored in await all_of(locks)]
    assert found == [("a", 1, 0), ("b", 4, 1), ("c", 1, 0)]
    assert [stored.name async for stored in locks.stored("", "a")] == ["b", "c"]
    await locks.close()


async def test_a_server_that_is_away_is_asked_again(tmp_path: Path) -> None:
    credentials = tmp_path / "s3.toml"
    credentials.touch(mode=0o600)
    credentials.write_text('access-key-id = "an-id"\nsecret-access-key = "a-secret"\n')
    locks = open_locks(f"s3://bucket/x?endpoint=http://127.0.0.1:9&credentials={credentials}")
    with pytest.raises(StoreUnavailable):
        await locks.terms()
    await locks.close()


@pytest.mark.parametrize("address", ["file:///srv/vault", "az://container/vault?account=me", "understudy://host:8444"])
def test_other_kinds_say_that_they_cannot(address: str) -> None:
    with pytest.raises(Unsupported, match="immutable"):
        open_locks(address)


def test_without_botocore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    with pytest.raises(Unsupported) as caught:
        open_locks("s3://bucket/vault")
    assert "pip install" in caught.value.hint
