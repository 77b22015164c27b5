"""How obstore talks to any server."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from understudy import __version__
from understudy.errors import InvalidRequest
from understudy.store.url import StoreUrl

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECTIONS = 24
"""How many are worth it at once. Over 40 ms and 1 % of loss each carries some 0.45 MiB/s: a restore of 48 MiB came at 5.2 MiB/s over 16,
at 6.5 to 6.7 over 24, at 6.9 over 32; but the more there are the smaller are the packs, and each is a request that is paid for."""

# How long a whole request may take is said for each, by its size.
_LONGEST = timedelta(minutes=20)
_CONNECT = timedelta(seconds=10)
# Servers close a connection that has been idle for a while, some after 5 s, and what is sent at just that moment is lost.
_IDLE = timedelta(seconds=4)


def client_options(url: StoreUrl, endpoint: str) -> "ClientConfig":
    """`InvalidRequest` if the file of certificates cannot be used."""
    options: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": _CONNECT,
        "timeout": _LONGEST,
        "pool_idle_timeout": _IDLE,
        "user_agent": f"understudy/{__version__}",
    }
    if ca := url.option("ca"):
        options["root_certificate"] = _certificates(Path(ca))
    return options


def retry_config() -> "RetryConfig":
    """None: a create that is repeated unseen would be told of its own object."""
    return {"max_retries": 0, "retry_timeout": timedelta(0)}


def server_of(endpoint: str) -> str:
    """A server's name in words for people."""
    return urlsplit(endpoint).netloc


def _certificates(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"ca={path}: {error.strerror}", hint="name a file of certificates (PEM), or leave it out") from None
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise InvalidRequest(f"ca={path}: there is no certificate in it", hint="name a file of certificates (PEM)")
    return found
