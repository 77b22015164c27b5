"""Where a vault lives, as the operator writes it: `file:///srv/vault`."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from understudy.errors import InvalidRequest, Unsupported
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectStore

_LATER = {"s3": "S3 buckets", "az": "Azure containers", "understudy": "vaults of a second host"}


class StoreUrl(NamedTuple):
    """A parsed address: the kind of store and where it is in terms of that kind."""

    kind: str
    path: str

    def __str__(self) -> str:
        return f"{self.kind}://{self.path}"


def parse_url(text: str) -> StoreUrl:
    """`file:///absolute/path`, or just an absolute path. `InvalidRequest` if it is no address, `Unsupported` for later kinds."""
    if text.startswith("/"):
        return StoreUrl("file", str(Path(text)))
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is not a vault's address: {error}", hint="write it like file:///srv/vault") from error
    if parts.scheme in _LATER:
        raise Unsupported(
            f"{_LATER[parts.scheme]} are not available yet", hint="use file:///… on a disk that the host can reach, for instance over NFS"
        )
    if parts.scheme != "file":
        raise InvalidRequest(f"{text!r} is not a vault's address", hint="write it like file:///srv/vault")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path.startswith("//") or parts.query or parts.fragment or "\0" in path:
        raise InvalidRequest(f"{text!r} is not an absolute path on this host", hint="file URLs have three slashes: file:///srv/vault")
    return StoreUrl("file", str(Path(path)))


def open_store(text: str, *, make: bool = False) -> ObjectStore:
    """The store at this address. `make`: a missing last directory is made, which only the creation of a vault may ask for."""
    return FileStore(Path(parse_url(text).path), make=make)


def directory_here(url: str) -> Path | None:
    """Where on this host the vault is, if it is a directory. `InvalidRequest` if `url` is no address, `Unsupported` for later kinds."""
    parsed = parse_url(url)
    return Path(parsed.path) if parsed.kind == "file" else None
