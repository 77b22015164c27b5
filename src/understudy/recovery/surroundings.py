"""What points need beside their packs: the logs' records, the key slots, checkpoints, and the side objects that records name."""

import asyncio
from hashlib import blake2b

import numpy as np

from understudy.errors import IntegrityError, NotFound
from understudy.recovery.lanes import each, spread
from understudy.recovery.slots import damaged_slots, slot_id
from understudy.recovery.unreadable import UNREADABLE
from understudy.recovery.verdict import Damage
from understudy.vault import names
from understudy.vault.keys.slot import MAX_SLOT, read_header
from understudy.vault.kinds import Checkpoint, ObjectRef
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.checkpoint import MAGIC
from understudy.vault.maps.checkpoint_read import read_directory, read_pages
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.reading import history_of
from understudy.vault.maps.resolve import pages_at
from understudy.vault.vault import Vault

LANES = 4


async def surroundings(vault: Vault, log: MachineLog) -> tuple[Damage, ...]:
    """Everything that is damaged there, whoever needs it. A record that cannot be read must have been read past (`salvage`)."""
    history = history_of(vault, log)
    touched = _torn(history) if log.damage else ()
    found = [Damage(name, reason) for name, reason in vault.damage]
    found += [Damage(name, reason, touched) for name, reason in log.damage]
    if log.state.name and not log.damage and await log.opened_as() != log.state.name:
        # Where what follows it is trimmed nobody reads it but who looks for the name.
        first = names.record(names.machine(log.machine_id), 1)
        found.append(Damage(first, f"record 1 of {names.machine(log.machine_id)} is missing or damaged: the machine goes by its id"))
    found += [damage async for damage in damaged_slots(vault.store)]
    found += await _lost_slots(vault)

    gone = {f"{names.machine(log.machine_id)}/{name}" for condemned in log.state.condemned for name in condemned.names}

    async def object_(ref: ObjectRef) -> None:
        name = names.side_object(names.machine(log.machine_id), ref.hash.hex())
        if name in gone:
            return
        try:
            stored = await vault.store.get(name, 0, ref.size + 1)
            if len(stored) != ref.size or blake2b(stored, digest_size=len(ref.hash)).digest() != ref.hash:
                raise IntegrityError("its bytes do not have the hash that names it")
        except UNREADABLE as error:
            reason = "is missing" if isinstance(error, NotFound) else error.message
            found.append(Damage(name, reason, _users(log, ref)))

    await spread(each(log.refs), object_, LANES)

    async def checkpoint(body: Checkpoint) -> None:
        name = names.checkpoint(log.machine_id, body.id.hex())
        if name in gone:
            return
        try:
            await _examine(history, body)
        except UNREADABLE as error:
            # Others are shortcuts; of a repack's map there is nothing else that says the same.
            found.append(Damage(name, error.message, (body.point.hex(),) * (log.state.maps.get(body.point) == body)))

    await spread(each([*log.state.checkpoints, *log.state.maps.values()]), checkpoint, LANES)
    return tuple(found)


async def _lost_slots(vault: Vault) -> list[Damage]:
    """Whom the vault trusts, but has no key slot of."""
    present: set[bytes] = set()
    async for info in vault.store.list(names.KEYS):
        try:
            present.add(read_header(slot_id(info.name), bytes(await vault.store.get(info.name, 0, MAX_SLOT + 1))).identity)
        except UNREADABLE:
            return []  # named already, and perhaps the one
    return [
        Damage(names.KEYS, f"no key slot of {member.role} {member.name!r} is left: it was deleted, or never finished")
        for member in vault.settings.active()
        if member.public not in present
    ]


def _torn(history: History) -> tuple[str, ...]:
    """The points whose records are lost, as far as others name them, and those that cannot be read without them."""
    known = {entry.point.id for entry in history.entries}
    whole = {*history.maps, *(checkpoint.point for checkpoint in history.checkpoints)}
    torn: dict[bytes, None] = {}
    for entry in history.entries:
        point, parent = entry.point.id, entry.point.parent
        if not parent or parent in whole:
            whole.add(point)
        elif point not in whole:
            torn.update({parent: None} if parent not in known else {})
            torn[point] = None
    return tuple(point.hex() for point in torn)


def _users(log: MachineLog, ref: ObjectRef) -> tuple[str, ...]:
    points = (entry.point for entry in log.state.points)
    return tuple(point.id.hex() for point in points if ref in (point.definition, point.packs_in))


async def _examine(history: History, checkpoint: Checkpoint) -> None:
    """IntegrityError unless every byte of it, and every older page that it points at, is what was written."""
    name = names.checkpoint(history.machine_id, checkpoint.id.hex())
    info, head = await asyncio.gather(history.store.head(name), history.store.get(name, 0, len(MAGIC)))
    if info is None or info.size != checkpoint.size or head != MAGIC:
        raise IntegrityError(f"checkpoint {checkpoint.id.hex()}: is not the object that its record names")
    directory = await read_directory(history, checkpoint)
    pages = [page for disk in directory.disks for page in pages_at(directory, disk, np.unique(disk.pages["region"]).tolist())]
    await read_pages(history, pages, PackTable())
