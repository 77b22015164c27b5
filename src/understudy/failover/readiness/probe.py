"""Whether a vault can be read and written from here, tried with an object that is gone again afterwards."""

import asyncio
import hashlib
import time
from pathlib import Path
from typing import NamedTuple

from understudy.errors import IntegrityError, StoreUnavailable, UnderstudyError
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import descriptor, names

SECONDS = 30.0
"""For all of it."""


class Probe(NamedTuple):
    """`failure`: why it did not succeed. `seconds`: how long one object took to be durable. `stamp`: by how many seconds the file system's
    clock is ahead of this host's, None where the vault is no directory here. `written`: False where nothing could be deleted again."""

    failure: UnderstudyError | None = None
    seconds: float = 0.0
    stamp: float | None = None
    written: bool = True


_hanging: set["asyncio.Task[Probe]"] = set()


async def probed(store: ObjectStore, vault_id: str, machine_id: str, site: str, directory: Path | None) -> Probe:
    """`site`: this one's name; one probe of a site at a time. Killed in between it leaves one small object, which the next one removes."""
    name = names.probe(machine_id, hashlib.sha256(site.encode()).hexdigest()[:32])
    task = asyncio.create_task(_tried(store, vault_id, name, directory), name="probe")
    # A store that hangs may not be cancelled either: it is left to itself.
    _hanging.add(task)
    task.add_done_callback(_hanging.discard)
    try:
        await asyncio.wait([task], timeout=SECONDS)
    finally:
        task.cancel()
    if task.done():
        return task.result()
    return Probe(StoreUnavailable(f"the vault did not answer within {SECONDS:g} s", hint="see whether its store is well"))


async def _tried(store: ObjectStore, vault_id: str, name: str, directory: Path | None) -> Probe:
    try:
        if descriptor.decode(bytes(await store.get(names.DESCRIPTOR, 0, 1 << 16))).id.hex() != vault_id:
            raise StoreUnavailable("another vault is at this address now", hint="bring the former one back")
        return await _written(store, name, directory) if store.capabilities.deletes else Probe(written=False)
    except UnderstudyError as error:
        return Probe(error)


async def _written(store: ObjectStore, name: str, directory: Path | None) -> Probe:
    await store.delete(name)
    data, began = f"probe {time.time_ns()}".encode(), time.monotonic()
    try:
        if await store.create(name, [data]) is not Creation.CREATED:
            raise IntegrityError("the vault's store says that an object exists which was deleted", hint="see whether its store is well")
        seconds = time.monotonic() - began
        stamp = await asyncio.to_thread(_stamp, directory / name) if directory is not None else None
        if await store.get(name) != data:
            raise IntegrityError("the vault's store gave something else than was stored", hint="see whether its store is well")
    finally:
        await store.delete(name)
    return Probe(seconds=seconds, stamp=stamp)


def _stamp(path: Path) -> float | None:
    try:
        return path.stat().st_mtime - time.time()
    except OSError:
        return None
