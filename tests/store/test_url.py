from pathlib import Path

import pytest

from understudy.errors import InvalidRequest, Unsupported
from understudy.store.url import open_store, parse_url


@pytest.mark.parametrize(
    ("text", "path"),
    [("file:///srv/vault", "/srv/vault"), ("file:///srv/my%20vault/", "/srv/my vault"), ("/srv/vault", "/srv/vault"), ("file:///", "/")],
)
def test_files(text: str, path: str) -> None:
    assert parse_url(text) == ("file", path)


@pytest.mark.parametrize("text", ["s3://bucket/prefix", "az://container", "understudy://host:1234"])
def test_kinds_that_are_not_there_yet(text: str) -> None:
    with pytest.raises(Unsupported) as caught:
        parse_url(text)
    assert "file:///" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault",
        "file://srv/vault",
        "file:vault",
        "http://x/y",
        "file:///a?b",
        "file:///a#b",
        "file:////a",
        "file:///a%00b",
        "file://[x/",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_url(text)


async def test_the_directory_is_made_only_when_asked(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/vault", make=True)
    await store.create("x", [b"x"])
    assert (tmp_path / "vault" / "x").read_bytes() == b"x"
    await store.close()
