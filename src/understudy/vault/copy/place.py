"""Where a copy is, or is to be: made on purpose, in an empty place, and never taken for another."""

from understudy.errors import Conflict, NotFound, StoreUnavailable
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import descriptor, names
from understudy.vault.copy.ferry import Ferry
from understudy.vault.copy.marker import Marker, encode, read_marker
from understudy.vault.copy.slots import carry_slots
from understudy.vault.log.patience import Patience, create_patiently
from understudy.vault.vault import Vault

_PATIENCE = Patience()


async def begin_copy(vault: Vault, target: ObjectStore) -> Marker:
    """An empty place becomes a copy of this vault, with nothing in it yet; one that is a copy of it already stays as it is.

    `Conflict` if anything else is there.
    """
    marker = await read_marker(target)
    if marker is None:
        await _must_be_empty(target)
        new = Marker.new(vault.id)
        created = await create_patiently(target, names.COPY, encode(new), _PATIENCE)
        marker = new if created is Creation.CREATED else await read_marker(target)
    if marker is None or marker.of != bytes.fromhex(vault.id):
        raise _of_another(vault, marker)
    return marker


async def finish_copy(vault: Vault, ferry: Ferry) -> None:
    """The settings are there: with its key slots and its descriptor the place is a vault."""
    await carry_slots(ferry, vault.settings)
    await ferry.put(names.DESCRIPTOR, bytes(await vault.store.get(names.DESCRIPTOR, 0, 1 << 16)))


async def must_be_copy(vault: Vault, target: ObjectStore) -> Marker:
    """The place is a copy of this vault. `StoreUnavailable` if nothing is there: it may be a file system that is not mounted."""
    marker = await read_marker(target)
    if marker is None and await target.head(names.DESCRIPTOR) is not None:
        found = descriptor.decode(bytes(await target.get(names.DESCRIPTOR, 0, 1 << 16))).id.hex()
        what = "this vault itself" if found == vault.id else f"vault {found}"
        raise Conflict(f"{what} is there, and no copy of vault {vault.id}: nothing was copied", hint="name the place of the copy")
    if marker is None:
        raise StoreUnavailable(
            "there is no copy of the vault",
            hint="is its file system mounted? A copy is begun by `understudy vault copy create URL`, in an empty place",
        )
    if marker.of != bytes.fromhex(vault.id):
        raise _of_another(vault, marker)
    return marker


async def _must_be_empty(target: ObjectStore) -> None:
    try:
        found = descriptor.decode(bytes(await target.get(names.DESCRIPTOR, 0, 1 << 16))).id.hex()
    except NotFound:
        found = ""
    if found:
        raise Conflict(f"vault {found} is there, which was left alone", hint="choose an empty place for the copy")
    async for info in target.list(""):
        raise Conflict(f"this place is not empty: it holds {info.name}", hint="choose an empty place for the copy")


def _of_another(vault: Vault, marker: Marker | None) -> Conflict:
    other = f"a copy of vault {marker.of.hex()}" if marker is not None else "something else"
    return Conflict(f"{other} is there, and this is vault {vault.id}: nothing was copied", hint="choose an empty place for the copy")
