"""Who asks, and whether the server is the one that is meant: credentials from where they may be, and certificates."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from tests.store.hostile import Hostile, serving
from tests.store.servers import ACCOUNT, ACCOUNT_KEY, Server
from understudy.errors import InvalidRequest, StoreRefused, StoreUnavailable
from understudy.store.protocol import Creation
from understudy.store.remote import credentials
from understudy.store.remote.azure import advice_on, open_azure
from understudy.store.remote.objects import RemoteStore
from understudy.store.remote.s3 import open_s3
from understudy.store.url import parse_url


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with serving(Hostile(objects={"a": b"x"})) as server:
        yield server


def secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch()
    path.chmod(mode)
    path.write_text(text)
    return path


def opened(hostile: Hostile, said: str = "", more: str = "") -> RemoteStore:
    return open_s3(parse_url(f"s3://bucket?endpoint={hostile.endpoint}" + (f"&credentials={said}" if said else "") + more))


def signer(hostile: Hostile) -> list[str]:
    """Whose signatures the requests bear from now on, and their session tokens."""
    found: list[str] = []

    async def note(request: web.Request) -> None:
        found.append(request.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        found.append(request.headers.get("x-amz-security-token", ""))

    hostile.before = note
    return found


async def test_the_environment(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    found = signer(hostile)
    assert await opened(hostile).get("a") == b"x"
    assert found == ["from-environment", ""]


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_a_pair_in_the_environment(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "half")
    with pytest.raises(StoreRefused, match=f"there is only {name} in the environment") as caught:
        opened(hostile)
    assert "credentials=" in caught.value.hint
    opened(hostile, str(secret(tmp_path / "keys", 'access-key-id = "i"\nsecret-access-key = "x"\n')))


async def test_a_file_counts_more_than_the_environment(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-environment")
    path, found = secret(tmp_path / "keys", 'access-key-id = "from-file"\nsecret-access-key = "x"\n'), signer(hostile)
    assert await opened(hostile, str(path)).get("a") == b"x"
    assert found == ["from-file", ""]


async def test_what_systemd_gives(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable by a group: so an access list for the service's user looks."""
    with pytest.raises(StoreRefused) as caught:
        opened(hostile, "systemd:s3")
    assert "LoadCredential=s3:" in caught.value.hint
    secret(tmp_path / "s3", 'access-key-id = "i"\nsecret-access-key = "x"\nsession-token = "t"\n', 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    found = signer(hostile)
    assert await opened(hostile, "systemd:s3").get("a") == b"x"
    assert found == ["i", "t"]


async def test_a_file_that_is_replaced(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LASTS", timedelta(0))
    path, found = secret(tmp_path / "keys", 'access-key-id = "old"\nsecret-access-key = "x"\n'), signer(hostile)
    store = opened(hostile, str(path))
    await store.get("a")
    secret(path, 'access-key-id = "new"\nsecret-access-key = "x"\n')
    await store.get("a")
    assert found[::2] == ["old", "new"]
    path.unlink()
    with pytest.raises(StoreRefused, match="cannot be read: No such file"):
        await store.get("a")
    secret(path, 'access-key-id = "newer"\nsecret-access-key = "x"\n')
    await store.get("a")
    assert found[-2] == "newer"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ('access-key-id = "i"\nsecret-access-key = "hush"\n', 0o640, "chmod 600"),
        ('access-key-id = "i"\nsecret-access-key = "hush"\n', 0o604, "chmod 600"),
        ("hush", 0o600, "not TOML"),
        ('secret-access-key = "hush"\n', 0o600, "access-key-id"),
        ('access-key-id = "i"\nsecret-access-key = "hush"\nhush-hush = 1\n', 0o600, "session-token"),
        ('access-key-id = "i"\nsecret-access-key = 5\n', 0o600, "Expected `str`"),
    ],
)
def test_a_file_that_cannot_be_used(hostile: Hostile, tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = secret(tmp_path / "keys", text, mode)
    with pytest.raises(StoreRefused) as caught:
        opened(hostile, str(path))
    said = f"{caught.value.message} {caught.value.hint}"
    assert words in said
    assert str(path) in said
    assert '"hush"' not in said


@pytest.mark.parametrize("text", ["", 'account-key = "a"\nsas-token = "b"\n', 'key = "x"\n'])
def test_azure_needs_one_of_two(tmp_path: Path, text: str) -> None:
    path = secret(tmp_path / "keys", text)
    with pytest.raises(StoreRefused, match="not what they should be"):
        open_azure(parse_url(f"az://container?account=a&credentials={path}"))


def test_a_key_that_azure_cannot_have_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secret(tmp_path / "keys", 'account-key = "hush"\n')
    assert open_azure(parse_url(f"az://container?account=a&credentials={path}"))
    path.write_text('account-key = "hus"\n')
    with pytest.raises(StoreRefused, match="account-key is not base64"):
        open_azure(parse_url(f"az://container?account=a&credentials={path}"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "hus")
    with pytest.raises(InvalidRequest) as caught:
        open_azure(parse_url("az://container?account=a"))
    assert "environment" in caught.value.hint


def test_azure_needs_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InvalidRequest) as caught:
        open_azure(parse_url("az://container"))
    assert "?account=" in caught.value.hint


async def test_azure_from_the_environment_and_with_a_wrong_key(az: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    az.make("access")
    address = f"az://access?account={ACCOUNT}&endpoint={az.endpoint}"
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    assert await open_azure(parse_url(address)).create(tmp_path.name.replace("_", "-"), [b"x"]) is Creation.CREATED
    wrong = secret(tmp_path / "keys", 'account-key = "aHVzaA=="\n')
    store = open_azure(parse_url(f"{address}&credentials={wrong}"))
    for operation in (store.get("a"), store.create("b", [b"x"]), anext(store.list(""))):
        with pytest.raises(StoreRefused) as caught:
            await operation
        assert "credentials" in caught.value.hint


@pytest.mark.parametrize("kind", ["s3", "az"])
async def test_a_bucket_that_is_not_there(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    address = parse_url(server.address("is-there", tmp_path).replace("is-there", "is-not-there"))
    store = open_s3(address) if kind == "s3" else open_azure(address)
    for operation in (store.get("a"), store.head("a"), store.create("b", [b"x"]), anext(store.list("")), store.delete("a")):
        with pytest.raises(StoreRefused) as caught:
            await operation
        assert "make the bucket or container" in caught.value.hint


@pytest.mark.parametrize("path", ["", "/other"])
async def test_an_emulators_endpoint_without_the_account(az: Server, path: str, tmp_path: Path) -> None:
    address = az.address("there", tmp_path)
    root = az.endpoint.removesuffix(f"/{ACCOUNT}")
    store = open_azure(parse_url(address.replace(az.endpoint, root + path)))
    for operation in (store.get("a"), store.head("a"), store.create("b", [b"x"]), anext(store.list("")), store.delete("a")):
        with pytest.raises(StoreRefused) as caught:
            await operation
        assert caught.value.hint == f"an emulator has the account in the path: ?endpoint={root}/{ACCOUNT}"


@pytest.mark.parametrize(
    ("endpoint", "advised"),
    [
        ("https://acct.blob.core.windows.net", False),
        ("https://acct.blob.localhost:10000", False),
        ("http://127.0.0.1:10000/acct", False),
        ("http://127.0.0.1:10000", True),
        ("http://127.0.0.1:10000/other", True),
        ("https://acct2.blob.core.windows.net", True),
        ("https://backup.example.org", True),
    ],
)
def test_where_an_endpoint_names_the_account(endpoint: str, advised: bool) -> None:
    assert bool(advice_on(endpoint, "acct")) is advised


async def test_the_instances_metadata(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    async def metadata(request: web.Request) -> web.Response:
        if request.method == "PUT":
            return web.Response(text="a-token")
        if request.path.endswith("security-credentials/"):
            return web.Response(text="a-role")
        given = {"AccessKeyId": "of-the-instance", "SecretAccessKey": "x", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
        return web.json_response(given)

    app = web.Application()
    app.router.add_route("*", "/{all:.*}", metadata)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    found = signer(hostile)
    try:
        assert await opened(hostile).get("a") == b"x"
        assert found == ["of-the-instance", "t"]
    finally:
        await runner.cleanup()
    # Nobody has given any: to ask once more changes nothing.
    with pytest.raises(StoreRefused) as caught:
        await opened(hostile).get("a")
    assert "no credentials" in caught.value.message
    ways = ("?credentials=", "systemd:", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "instance")
    assert [way for way in ways if way not in caught.value.hint] == []


async def test_credentials_of_the_instance_that_stop_coming_may_come_again(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are about to end are asked for anew with each request."""
    there = True

    async def metadata(request: web.Request) -> web.Response:
        if not there:
            return web.Response(status=500)
        if request.method == "PUT" or request.path.endswith("security-credentials/"):
            return web.Response(text="a")
        return web.json_response({"AccessKeyId": "a", "SecretAccessKey": "x", "Token": "t", "Expiration": "2020-01-01T00:00:00Z"})

    app = web.Application()
    app.router.add_route("*", "/{all:.*}", metadata)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        store = opened(hostile)
        assert await store.get("a") == b"x"
        there = False
        with pytest.raises(StoreUnavailable, match="no credentials"):
            await store.get("a")
    finally:
        await runner.cleanup()


async def certificate(directory: Path, address: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """An authority's, and what a server needs that has one of it for this address."""
    ca, ca_key, leaf, key = (directory / part for part in ("ca.pem", "ca.key", "leaf.pem", "leaf.key"))
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    names = ("-subj", "/CN=server", "-addext", f"subjectAltName=IP:{address}", "-addext", "basicConstraints=critical,CA:FALSE")
    for words in (
        (*new, "-subj", "/CN=authority", "-out", ca, "-keyout", ca_key),
        (*new, *names, "-CA", ca, "-CAkey", ca_key, "-out", leaf, "-keyout", key),
    ):
        await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    return ca, context


async def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    keys = str(secret(tmp_path / "keys", 'access-key-id = "i"\nsecret-access-key = "x"\n'))
    (tmp_path / "other").mkdir()
    ca, context = await certificate(tmp_path)
    other, for_another = await certificate(tmp_path / "other", "127.0.0.9")
    async with serving(Hostile(objects={"a": b"x"}), context) as server:
        assert await opened(server, keys, f"&ca={ca}").get("a") == b"x"
        for wrong in ("", f"&ca={other}"):
            with pytest.raises(StoreRefused) as caught:
                await opened(server, keys, wrong).get("a")
            assert "trusts" in caught.value.message
            assert "?ca=" in caught.value.hint
            assert "another authority" in caught.value.hint
        server.endpoint = server.endpoint.replace("https", "http")
        with pytest.raises(StoreUnavailable) as unavailable:
            await opened(server, keys).get("a")
        assert "https://" in unavailable.value.hint
    async with serving(Hostile(), for_another) as server:
        with pytest.raises(StoreRefused, match="for another name"):
            await opened(server, keys, f"&ca={other}").get("a")
    async with serving(Hostile()) as plain:
        plain.endpoint = plain.endpoint.replace("http", "https")
        with pytest.raises(StoreRefused) as caught:
            await opened(plain, keys).get("a")
        assert "http://" in caught.value.hint


def test_certificates_that_cannot_be_used(hostile: Hostile, tmp_path: Path) -> None:
    for text in (None, "no certificate", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"):
        if text is not None:
            (tmp_path / "ca.pem").write_text(text)
        with pytest.raises(InvalidRequest) as caught:
            opened(hostile, more=f"&ca={tmp_path / 'ca.pem'}")
        assert "ca=" in caught.value.message
