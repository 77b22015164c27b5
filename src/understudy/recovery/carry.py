"""Copy objects from one store to another, each proven on the way. What is there already stays; said again, it goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from understudy.errors import Conflict, IntegrityError, NotFound
from understudy.model import Data
from understudy.recovery.lanes import each, spread
from understudy.recovery.progress import Listener, Meter
from understudy.store.protocol import Creation, ObjectInfo, ObjectStore
from understudy.vault import descriptor, names
from understudy.vault.keys.slot import read_header
from understudy.vault.log.patience import Patience, create_patiently
from understudy.vault.packs import pack_layout

LANES = 3
"""Objects in memory at once; each is at most 64 MiB, usually 16."""
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Carried:
    """`objects` in all; `copied` of them were not there yet, `bytes` long together."""

    objects: int
    copied: int
    bytes: int


async def carry(source: ObjectStore, target: ObjectStore, objects: Sequence[ObjectInfo], listener: Listener) -> Carried:
    """All of `objects`, several at a time; durable when this returns. `IntegrityError` for one that is not what was written.

    `Conflict` if the target holds something else under one of the names.
    """
    meter = Meter(listener, "copy", "", sum(info.size for info in objects))
    copied: list[int] = []

    async def one(info: ObjectInfo) -> None:
        present = await target.head(info.name)
        if present is None or present.size != info.size:
            copied.append(await _copy(source, target, info))
        meter.add(info.size)

    await spread(each(objects), one, LANES)
    return Carried(len(objects), len(copied), sum(copied))


async def carry_in_order(source: ObjectStore, target: ObjectStore, objects: Sequence[ObjectInfo]) -> Carried:
    """One after the other: what a killed copy leaves of a log is its beginning, and a vault has its descriptor last."""
    copied = [await _copy(source, target, info) for info in objects if await target.head(info.name) is None]
    return Carried(len(objects), len(copied), sum(copied))


async def _copy(source: ObjectStore, target: ObjectStore, info: ObjectInfo) -> int:
    try:
        data = await source.get(info.name, 0, info.size + 1)
    except NotFound:
        raise IntegrityError(f"{info.name} is missing", hint="verify tells what else is: understudy verify") from None
    if len(data) != info.size:
        raise IntegrityError(f"{info.name} has another size than it had", hint="verify tells what is damaged: understudy verify")
    await asyncio.to_thread(_prove, info.name, data)
    if await create_patiently(target, info.name, data, _PATIENCE) is Creation.EXISTS:
        raise Conflict(f"the target holds something else as {info.name}", hint="choose an empty place, or find out what happened to it")
    return len(data)


def _prove(name: str, data: Data) -> None:
    """What an object's own bytes tell without a key; records and checkpoints are proven by who reads the log."""
    directory, _, last = name.rpartition("/")
    if directory.endswith("/packs"):
        pack_layout.scrub(bytes.fromhex(last), data)
    elif directory.endswith("/objects") and blake2b(data, digest_size=32).hexdigest() != last:
        raise IntegrityError(f"{name}: its bytes do not have the hash that names it")
    elif name.startswith(names.KEYS):
        read_header(bytes.fromhex(last), bytes(data))
    elif name == names.DESCRIPTOR:
        descriptor.decode(bytes(data))
