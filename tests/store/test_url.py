from pathlib import Path

import pytest

from understudy.errors import InvalidRequest
from understudy.store.opening import open_store
from understudy.store.url import directory_here, parse_url


@pytest.mark.parametrize(
    ("text", "path"),
    [("file:///srv/vault", "/srv/vault"), ("file:///srv/my%20vault/", "/srv/my vault"), ("/srv/vault", "/srv/vault"), ("file:///", "/")],
)
def test_files(text: str, path: str) -> None:
    assert parse_url(text) == ("file", "", path, ())
    assert directory_here(text) == Path(path)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("s3://bucket", ("s3", "bucket", "", ())),
        ("s3://my.bucket-1/a/b/", ("s3", "my.bucket-1", "a/b", ())),
        (
            "s3://bucket/p?region=eu-1&endpoint=http://127.0.0.1:9000&path-style=true&ca=/etc/own.pem&credentials=systemd:s3",
            (
                "s3",
                "bucket",
                "p",
                (
                    ("ca", "/etc/own.pem"),
                    ("credentials", "systemd:s3"),
                    ("endpoint", "http://127.0.0.1:9000"),
                    ("path-style", "true"),
                    ("region", "eu-1"),
                ),
            ),
        ),
        ("az://vault/site-a?account=acme", ("az", "vault", "site-a", (("account", "acme"),))),
        ("understudy://vault.example:8444", ("understudy", "vault.example:8444", "", ())),
        ("understudy://[::1]:8444/?credentials=/etc/peer", ("understudy", "[::1]:8444", "", (("credentials", "/etc/peer"),))),
    ],
)
def test_other_kinds(text: str, parsed: tuple[object, ...]) -> None:
    found = parse_url(text)
    assert found == parsed
    assert parse_url(str(found)) == found
    assert directory_here(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault",
        "file://srv/vault",
        "file:vault",
        "http://x/y",
        "file:///a?b",
        "file:///a?b=c",
        "file:///a#b",
        "file:////a",
        "file:///a%00b",
        "file://[x/",
        "s3://",
        "s3://B/x",
        "s3://bucket/UPPER",
        "s3://bucket/../x",
        "s3://bucket/a//b",
        "s3://bucket#x",
        "s3://bucket:90/x",
        "s3://bucket?unknown=1",
        "s3://bucket?region=",
        "s3://bucket?region=a&region=b",
        "s3://bucket?path-style=yes",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?endpoint=http://u:p@x",
        "s3://bucket?endpoint=http://x:99999",
        "s3://bucket?endpoint=http://x:0",
        "s3://bucket?endpoint=http://x:nine",
        "s3://bucket?endpoint=http://:9000",
        "s3://bucket?endpoint=http://127.0.0.256",
        "s3://bucket?endpoint=http://[::1",
        "s3://bucket?endpoint=http://[1::2::3]",
        "s3://bucket?endpoint=http://é.example",
        "s3://bucket?endpoint=http://127.0.0.1:9000&path-style=false",
        "s3://bucket?endpoint=http://[::1]:9000&path-style=false",
        "s3://bucket?ca=relative.pem",
        "s3://bucket?credentials=relative",
        "az://x/y",
        "az://Container",
        "understudy://host",
        "understudy://:1",
        "understudy://host:0",
        "understudy://host:70000",
        "understudy://host:1/prefix",
        "understudy://host:1?credentials=systemd:x",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hush-hush@bucket/x",
        "s3://bucket?secret-access-key=hush-hush",
        "az://container?sas_token=hush-hush",
        "az://container?sig=hush-hush",
        "understudy://hush-hush@host:1",
        "ftp://x:hush-hush@y",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_url(text)
    assert "hush" not in caught.value.message + caught.value.hint


async def test_the_directory_is_made_only_when_asked(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/vault", tmp_path, make=True)
    await store.create("x", [b"x"])
    assert (tmp_path / "vault" / "x").read_bytes() == b"x"
    await store.close()
