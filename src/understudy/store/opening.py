"""From an address to its store. A kind is imported when it is asked for: a process that serves a point waits for as little as it can."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import Unsupported
from understudy.store.cached import CachedReader
from understudy.store.file import FileStore
from understudy.store.limited import LimitedStore
from understudy.store.locks import Locks
from understudy.store.metered import MeteredStore, Tally
from understudy.store.protocol import ObjectStore
from understudy.store.retrying import RetryingStore
from understudy.store.url import StoreUrl, parse_url

if TYPE_CHECKING:
    from understudy.pairing.address import Address


def open_store(text: str, state: Path, *, make: bool = False, tally: Tally | None = None) -> ObjectStore:
    """The store at this address. `state`: the site's state directory, for what a kind remembers here.

    `make`: a missing last directory is made, which only the creation of a vault may ask for. `tally`: where requests are counted.
    """
    url = parse_url(text)
    return _wrapped(url, _kind(url, state, make), tally)


def cached(store: ObjectStore, lasts: Callable[[str], bool]) -> CachedReader | None:
    """For who reads the same of it again and again; None where the system keeps what was read. `lasts`: see there."""
    return None if store.capabilities.near else CachedReader(store, lasts)


def _wrapped(url: StoreUrl, store: ObjectStore, tally: Tally | None) -> ObjectStore:
    """From the inside out: each request is counted by itself, and who waits for another try takes nobody's turn."""
    if tally is not None:
        store = MeteredStore(store, tally)
    if url.kind == "file":
        # What a disk has said it says again, and a mount over the network waits by itself.
        return store
    parallel = store.capabilities.parallel
    return RetryingStore(LimitedStore(store, parallel, 2 * parallel), name=f"the store at {url}")


def _kind(url: StoreUrl, state: Path, make: bool) -> ObjectStore:
    if url.kind == "file":
        return FileStore(Path(url.path), make=make)
    if url.kind == "understudy":
        from understudy.pairing.address import address_of
        from understudy.store.peer.store import PeerStore

        address = address_of(url.place)
        return PeerStore(address, _credential(url, address, state))
    from understudy.store.remote.opening import open_remote

    return open_remote(url, state)


def _credential(url: StoreUrl, address: "Address", state: Path) -> Path:
    from understudy.pairing.credential import credential_file

    given = url.option("credentials")
    return Path(given) if given else credential_file(state, address)


def must_be_openable(text: str, state: Path) -> None:
    """What this host itself must have for it is there, and can be used: credentials, certificates. Nothing is asked of any store, and what
    systemd gives is not looked for where it gives nothing. As `open_store`; for sites what `context_of` raises."""
    url = parse_url(text)
    if url.option("credentials").startswith("systemd:") and "CREDENTIALS_DIRECTORY" not in os.environ:
        return
    if url.kind == "understudy":
        from understudy.pairing.address import address_of
        from understudy.pairing.credential import context_of

        address = address_of(url.place)
        context_of(_credential(url, address, state), address)
    elif url.kind != "file":
        # To look at a file server that hangs would hold up the daemon's start.
        _kind(url, state, False)


_UNLOCKED = {
    "file": "a directory cannot hold its files against who may write there",
    "az": "understudy does not use the immutability policies of Azure: there was nothing to try them against",
    "understudy": "a second site does not lock what it keeps",
}


def open_locks(text: str) -> Locks:
    """What locks the objects at this address; nothing is asked of it yet. `Unsupported` where nothing does, or botocore is missing."""
    url = parse_url(text)
    if url.kind == "s3":
        from understudy.store.remote.s3_locks import S3Locks

        return S3Locks(url)
    raise Unsupported(
        f"no point of a vault at {url.kind}:// can be made immutable: {_UNLOCKED[url.kind]}",
        hint="a bucket with object lock can do it; a site that serves its vault to others lets them add to it, and delete nothing",
    )
