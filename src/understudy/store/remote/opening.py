"""From an address to what is probed before it is trusted."""

from pathlib import Path

from understudy.store.remote.azure import open_azure
from understudy.store.remote.probed import ProbedStore
from understudy.store.remote.s3 import open_s3
from understudy.store.url import StoreUrl


def open_remote(url: StoreUrl, state: Path) -> ProbedStore:
    """`s3://` and `az://`. Nothing is asked of the server yet. `StoreRefused` for credentials, `InvalidRequest` for what cannot be used."""
    store = open_s3(url) if url.kind == "s3" else open_azure(url)
    return ProbedStore(store, str(url), state)
