"""A vault that could not be created leaves no key that opens nothing, and one that may be needed is said to be there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.store.hostile import Hostile, failure, serving
from tests.store.servers import Server
from understudy.app import open_engine
from understudy.engine import Connection, CreateVault, KeyFile
from understudy.errors import InvalidRequest, StoreRefused, StoreUnavailable
from understudy.store.protocol import ObjectStore
from understudy.vault.vault import Vault


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "new.key"


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with serving(Hostile()) as server:
        yield server


def is_there(path: Path) -> bool:
    return path.exists()


def content(path: Path) -> bytes:
    return path.read_bytes()


async def created(address: str, key: Path) -> str:
    connection = Connection(vault=address, state_dir=str(key.parent / "state"), site="here", credential=KeyFile(path=str(key)))
    async with open_engine(connection) as engine:
        return (await engine.create_vault(CreateVault(label="operator"))).id


async def test_a_bucket_that_is_not_there(s3: Server, key: Path, tmp_path: Path) -> None:
    address = s3.address("creating-is", tmp_path).replace("creating-is", "creating-is-not")
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        await created(address, key)
    assert not is_there(key)
    s3.make("creating-is-not")
    assert await created(address, key)
    assert is_there(key)


async def test_credentials_that_may_only_read(hostile: Hostile, key: Path, tmp_path: Path) -> None:
    async def before(request: web.Request) -> web.Response | None:
        return failure(403, "AccessDenied") if request.method == "PUT" else None

    hostile.before = before
    credentials = tmp_path / "s3.toml"
    credentials.touch(0o600)
    credentials.write_text('access-key-id = "id"\nsecret-access-key = "x"\n')
    with pytest.raises(StoreRefused, match="AccessDenied") as caught:
        await created(f"s3://bucket/a?endpoint={hostile.endpoint}&credentials={credentials}", key)
    assert not is_there(key)
    assert str(key) not in caught.value.hint


async def test_a_key_that_was_there_stays(key: Path, tmp_path: Path) -> None:
    await created((tmp_path / "one").as_uri(), key)
    kept = content(key)
    with pytest.raises(StoreUnavailable):
        await created((tmp_path / "missing" / "two").as_uri(), key)
    assert content(key) == kept


async def test_a_key_in_the_vault_makes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with pytest.raises(InvalidRequest, match="would lie in the vault"):
        await created(place.as_uri(), place / "new.key")
    assert not is_there(place)


async def test_a_failure_that_leaves_something_keeps_the_key_and_says_so(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def torn(store: ObjectStore, *_: object, **__: object) -> Vault:
        await store.create("keys/" + "0" * 32, [b"a slot"])
        raise StoreUnavailable("the server went away", hint="look for it")

    monkeypatch.setattr(Vault, "create", torn)
    with pytest.raises(StoreUnavailable) as caught:
        await created((tmp_path / "vault").as_uri(), key)
    assert is_there(key)
    assert caught.value.hint.startswith(f"look for it; the key file {key} was made, and stays")
