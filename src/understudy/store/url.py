"""Where a vault lives, as the operator writes it: one string that says everything but secrets.

`file:///srv/vault` · `s3://bucket/prefix?endpoint=https://…` · `az://container/prefix?account=…` · `understudy://host:port`
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from understudy.errors import InvalidRequest
from understudy.store.names import check_name

EXAMPLES = "file:///srv/vault, s3://bucket/prefix, az://container/prefix or understudy://host:port"
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "file": {},
    "s3": {
        "endpoint": "an http or https URL of the server, where it is not Amazon's",
        "region": "such as eu-central-1",
        "path-style": "true: the bucket stands in the path and not in the host's name; false",
        "ca": "an absolute path of certificates (PEM) that the server's is signed with",
        "credentials": "an absolute path, or systemd:NAME",
    },
    "az": {
        "account": "the storage account's name",
        "endpoint": "an http or https URL of the server, where it is not Microsoft's",
        "ca": "an absolute path of certificates (PEM) that the server's is signed with",
        "credentials": "an absolute path, or systemd:NAME",
    },
    "understudy": {"credentials": "the absolute path of the directory that `understudy peer join` has made"},
}
"""What may stand behind the question mark, by kind, in words for who wrote something else."""

_CHOICES = {"path-style": ("true", "false")}
_SECRET = re.compile(r"secret|key|token|password|passwd|sas|signature|sig$")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTAINER = re.compile(r"(?:\$root|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9])")
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d*))?(?:/[^?#@\s]*)?")
_SYSTEMD = re.compile(r"systemd:[A-Za-z0-9_.-]+")


class StoreUrl(NamedTuple):
    """A parsed address, in terms of its kind.

    `place`: bucket, container or host:port; empty for files. `path`: an absolute directory, or a prefix without slashes at its ends.
    `options`: sorted, by name.
    """

    kind: str
    place: str
    path: str
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str, default: str = "") -> str:
        return dict(self.options).get(name, default)

    def __str__(self) -> str:
        place = self.place + "/" * bool(self.place and self.path)
        query = "?" + urlencode(self.options, safe="/:") if self.options else ""
        return f"{self.kind}://{place}{quote(self.path)}{query}"


def parse_url(text: str) -> StoreUrl:
    """An address, or just an absolute path. `InvalidRequest` if it is none, or holds what it must not."""
    if text.startswith("/"):
        return _directory(text, text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidRequest(f"{_shown(text)} is not a vault's address: {error}", hint=f"write it like {EXAMPLES}") from error
    if parts.scheme not in _KINDS:
        raise InvalidRequest(f"{_shown(text)} is not a vault's address", hint=f"write it like {EXAMPLES}")
    if "@" in parts.netloc:
        raise InvalidRequest(
            "a vault's address holds no user and no password",
            hint="everyone sees addresses: put secrets into a file, and name it: ?credentials=",
        )
    if parts.fragment or any(ord(char) < 32 for char in unquote(text)):
        raise InvalidRequest(f"{_shown(text)} is not a vault's address: nothing follows a #, and it has no control characters")
    return _KINDS[parts.scheme](text, parts, port)


def directory_here(url: str) -> Path | None:
    """Where on this host the vault is, if it is a directory. `InvalidRequest` if `url` is no address."""
    parsed = parse_url(url)
    return Path(parsed.path) if parsed.kind == "file" else None


def _file(text: str, parts: SplitResult, _port: int | None) -> StoreUrl:
    _options("file", parts.query)
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path.startswith("//"):
        raise InvalidRequest(f"{text!r} is not an absolute path on this host", hint="file URLs have three slashes: file:///srv/vault")
    return _directory(text, path)


def _directory(text: str, path: str) -> StoreUrl:
    if "\0" in path:
        raise InvalidRequest(f"{text!r} is not an absolute path on this host")
    return StoreUrl("file", "", str(Path(path)))


def _bucket(text: str, parts: SplitResult, _port: int | None) -> StoreUrl:
    if not _BUCKET.fullmatch(parts.netloc):
        raise InvalidRequest(
            f"{parts.netloc!r} cannot name a bucket", hint="write it like s3://bucket/prefix; another server: ?endpoint=https://…"
        )
    url = StoreUrl("s3", parts.netloc, _prefix(parts), _options("s3", parts.query))
    if url.option("path-style") == "false" and (by := _ENDPOINT.fullmatch(url.option("endpoint"))) and _is_number(by[1]):
        raise InvalidRequest(
            f"the bucket cannot stand before {by[1]} in a host's name",
            hint="leave path-style=false out: the bucket stands in the path then",
        )
    return url


def _container(text: str, parts: SplitResult, _port: int | None) -> StoreUrl:
    if not _CONTAINER.fullmatch(parts.netloc):
        raise InvalidRequest(f"{parts.netloc!r} cannot name a container", hint="write it like az://container/prefix?account=NAME")
    return StoreUrl("az", parts.netloc, _prefix(parts), _options("az", parts.query))


def _peer(text: str, parts: SplitResult, port: int | None) -> StoreUrl:
    if not parts.hostname or not port or parts.path not in ("", "/"):
        raise InvalidRequest(
            f"{_shown(text)} is not a site's address", hint="write it like understudy://host:8444; what it serves is its own to say"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return StoreUrl("understudy", f"{host}:{port}", "", _options("understudy", parts.query))


def _prefix(parts: SplitResult) -> str:
    prefix = unquote(parts.path).strip("/")
    return check_name(prefix) if prefix else ""


def _options(kind: str, query: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS[kind]:
            if _SECRET.search(name.lower()):
                raise InvalidRequest(
                    f"a vault's address holds no secrets, and {name!r} looks like one",
                    hint="everyone sees addresses: put it into a file that only you can read, and name that: ?credentials=/path",
                )
            known = "; ".join(f"{option}: {words}" for option, words in OPTIONS[kind].items())
            raise InvalidRequest(f"{kind}:// knows no option {name!r}", hint=known or f"{kind}:// has no options")
        if name in found:
            raise InvalidRequest(f"{name} is given twice", hint="give it once")
        found[name] = _checked(kind, name, value)
    return tuple(sorted(found.items()))


def _checked(kind: str, name: str, value: str) -> str:
    wrong = InvalidRequest(f"{name}={value} cannot be meant", hint=f"{name}: {OPTIONS[kind][name]}")
    if not value or value not in _CHOICES.get(name, (value,)):
        raise wrong
    if name == "endpoint" and not _is_endpoint(value):
        raise wrong
    if (
        name in ("ca", "credentials")
        and not value.startswith("/")
        and not (kind != "understudy" and _SYSTEMD.fullmatch(value) and name != "ca")
    ):
        raise wrong
    return value


def _is_endpoint(value: str) -> bool:
    """Whether obstore takes it: it panics at the first request to what it does not."""
    found = _ENDPOINT.fullmatch(value)
    if found is None or int(found[2] or 1) not in range(1, 1 << 16):
        return False
    try:
        return not _is_number(found[1]) or bool(ip_address(found[1].strip("[]")))
    except ValueError:
        return False


def _is_number(host: str) -> bool:
    """Whether it can only be an IP address, and no name."""
    return host.startswith("[") or host.rstrip(".").rpartition(".")[2].isdigit()


def _shown(text: str) -> str:
    """What may hold a secret is not repeated."""
    return repr(text) if "@" not in text and "?" not in text else repr(text.partition("://")[0] + "://…")


_KINDS: dict[str, Callable[[str, SplitResult, int | None], StoreUrl]] = {
    "file": _file,
    "s3": _bucket,
    "az": _container,
    "understudy": _peer,
}
