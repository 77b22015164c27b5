"""Whether the vault that is open is what is found at its address: what is open may be on a file system that was taken away."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from understudy.errors import NotFound, StoreUnavailable
from understudy.store.protocol import ObjectStore
from understudy.vault import descriptor, names
from understudy.vault.vault import Vault

Place: TypeAlias = tuple[int, int] | None
"""Which directory it is, whatever its name; None: it is none, or is not there."""


async def must_be(vault: Vault, url: str, store: ObjectStore, where_to_look: Callable[[str], str]) -> None:
    """`StoreUnavailable` unless the store at the address has this vault."""
    try:
        found = descriptor.decode(bytes(await store.get(names.DESCRIPTOR, 0, 1 << 16))).id.hex()
    except NotFound:
        raise StoreUnavailable(f"the vault is not at {url} any more", hint=where_to_look(url)) from None
    if found != vault.id:
        raise StoreUnavailable(f"another vault is at {url}: it was {vault.id}, and is {found}", hint="bring the former one back")


def place_of(directory: Path | None) -> Place:
    """Blocks."""
    if directory is None:
        return None
    try:
        status = os.stat(directory)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def must_be_in_place(directory: Path | None, place: Place) -> None:
    """`StoreUnavailable` unless it is still the one that was opened: after its file system failed and was mounted anew, what is open fails
    for ever, however well all is at the address. Blocks."""
    now = place_of(directory)
    if now is not None and place is not None and now != place:
        raise StoreUnavailable(f"{directory} was mounted anew, or put there anew", hint="it is opened anew by itself within seconds")
