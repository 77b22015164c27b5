"""Seeds: what one point needs, as a vault in a directory that travels by hand, and bringing a seed into a vault."""

from dataclasses import dataclass

from understudy.errors import Conflict, IntegrityError, NotFound
from understudy.recovery.carry import Carried, carry, carry_in_order
from understudy.recovery.progress import Listener
from understudy.recovery.surroundings import surroundings
from understudy.store.protocol import ObjectInfo, ObjectStore
from understudy.vault import descriptor, names
from understudy.vault.descriptor import Descriptor
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reading import history_of
from understudy.vault.packs import pack_layout
from understudy.vault.vault import Vault

_ELSEWHERE = "choose an empty directory, or one that holds an export of this vault"
_ITS_OWN = "name the vault that the seed is of (--vault), or, for a recovery point, an empty place"


@dataclass(frozen=True, slots=True)
class Contents:
    """A vault's objects in the order in which they are copied: nothing is named before it is there."""

    bodies: tuple[ObjectInfo, ...]
    """Packs, checkpoints, side objects."""
    records: tuple[ObjectInfo, ...]
    """Of the settings log, then of machines' logs; each log's in order."""
    slots: tuple[ObjectInfo, ...]
    descriptor: ObjectInfo


async def export_point(vault: Vault, log: MachineLog, point: str, target: ObjectStore, listener: Listener) -> Carried:
    """Everything that `point` (an id in hex) needs, key slots and logs included: the target is a vault with this point in it.

    Its log ends before the next point, since nobody may go on from a point that is not there; it tells of older ones, and what only
    they need is not there. Repeatable, and with a later point or another machine, over itself.
    """
    owner = names.machine(log.machine_id)
    history = history_of(vault, log)
    packs = await _packs(history, bytes.fromhex(point))
    await _must_fit(vault.store, target)
    bodies = [ObjectInfo(names.pack(log.machine_id, pack.id.hex()), pack.size) for pack in packs if not pack.seq]
    for kind in ("maps", "objects"):
        bodies += [info async for info in vault.store.list(f"{owner}/{kind}/")]
    bodies += [info async for info in vault.store.list(f"{names.SETTINGS}/objects/")]
    records = [info async for info in vault.store.list(names.log(names.SETTINGS))]
    end = _end(log, bytes.fromhex(point))
    records += [info async for info in vault.store.list(names.log(owner)) if info.name <= names.record(owner, end)]
    slots = [info async for info in vault.store.list(names.KEYS)]
    last = [*slots, *await _onward(tuple(records), vault.store, target), await _descriptor(vault.store)]
    done = await carry(vault.store, target, bodies, listener)
    return _sum(done, await carry_in_order(vault.store, target, last))


async def must_hold(vault: Vault, machine: str, point: str) -> None:
    """`IntegrityError` unless everything that reading the point's maps takes is in this vault."""
    await _must_have(vault, await vault.find(machine), point)


async def _must_have(vault: Vault, log: MachineLog, point: str) -> None:
    history = history_of(vault, log)
    for pack in await _packs(history, bytes.fromhex(point)):
        info = None if pack.seq else await vault.store.head(names.pack(log.machine_id, pack.id.hex()))
        if not pack.seq and (info is None or info.size != pack.size):
            raise pack_layout.damaged(pack.id, "is missing from what was exported")


async def import_vault(seed: Vault, target: ObjectStore, listener: Listener) -> Carried:
    """A seed that is a vault of its own, into an empty store or into the vault that it is of. Repeatable, resumable.

    `Conflict` for any other store, and where the two logs have gone different ways: nothing is copied then.
    """
    contents = await _contents(seed.store)
    fresh = await target.head(names.DESCRIPTOR) is None
    await must_be_of(seed.store, target)
    if fresh:
        await _must_be_part(contents, target)
    for state in await seed.machines():
        log = await seed.find(state.id)
        damage = await surroundings(seed, log)
        if damage:
            raise IntegrityError(f"this seed is damaged: {damage[0].name}: {damage[0].reason}", hint="export it again")
        if log.state.newest is not None:
            await _must_have(seed, log, log.state.newest.point.id.hex())
    records = await _onward(contents.records, seed.store, target)
    done = await carry(seed.store, target, contents.bodies, listener)
    # A key that was removed from the vault since must not come back with an old seed.
    last = [*contents.slots, *records, contents.descriptor] if fresh else records
    return _sum(done, await carry_in_order(seed.store, target, last))


async def import_packs(seed: ObjectStore, vault: Vault, listener: Listener) -> tuple[MachineLog, Carried]:
    """The packs of an initial replication. Its machine's next cycle makes the point, when all of them are there."""
    bodies = [info async for info in seed.list(names.MACHINES) if "/packs/" in info.name]
    ids = {info.name.split("/")[1] for info in bodies}
    if len(ids) != 1:
        raise NotFound("there is no seed here, or none that was finished", hint="repeat the export, then the import")
    await must_be_of(seed, vault.store)
    log = await vault.find(ids.pop())
    if log.state.newest is not None or log.state.intent is None:
        begun = "has recovery points already" if log.state.newest is not None else "has begun its initial replication anew"
        raise Conflict(f"machine {log.state.name!r} {begun}: this seed is of no use to it", hint="remove it; replication goes on without")
    return log, await carry(seed, vault.store, bodies, listener)


async def seeded_machine(seed: ObjectStore) -> bool:
    """Whether a directory holds a vault (True) or an initial replication's packs. `NotFound` if it is no seed at all."""
    if await seed.head(names.DESCRIPTOR) is None:
        raise NotFound("there is no seed here, or none that was finished", hint="check the directory; if its export was killed, repeat it")
    return await seed.head(names.record(names.SETTINGS, 1)) is not None


async def begin_packs(vault: Vault, target: ObjectStore) -> None:
    """Say in the target whose packs are to come."""
    await _must_fit(vault.store, target)
    await carry_in_order(vault.store, target, [await _descriptor(vault.store)])


async def _packs(history: History, point: bytes) -> list[PackAt]:
    """Those whose frames the point's maps refer to, and those whose footers reading the maps takes."""
    parts = await PointParts.open(history, point)
    packs = {pack.id: pack for pack in [*await history.packs_of(parts.entry), *await parts.packs()]}
    if parts.ignored:
        raise IntegrityError(parts.ignored[0], hint="a damaged vault is not exported: understudy verify tells what is damaged")
    shortcuts = {*history.maps, *(checkpoint.point for checkpoint in history.checkpoints)}
    for entry in trace(history.entries, point, shortcuts).entries:
        packs.update((pack.id, pack) for pack in await history.packs_of(entry))
    return list(packs.values())


def _end(log: MachineLog, point: bytes) -> int:
    """The last record before the next point."""
    at = next(entry.seq for entry in log.state.entries if entry.point.id == point)
    return next((entry.seq - 1 for entry in log.state.entries if entry.seq > at), log.head.seq)


async def _contents(store: ObjectStore) -> Contents:
    everything = [info async for info in store.list("")]
    records = [info for info in everything if "/log/" in info.name]
    return Contents(
        bodies=tuple(info for info in everything if info.name.split("/")[-2:-1] in (["packs"], ["maps"], ["objects"])),
        records=tuple(sorted(records, key=lambda info: (not info.name.startswith(names.SETTINGS), info.name))),
        slots=tuple(info for info in everything if info.name.startswith(names.KEYS)),
        descriptor=await _descriptor(store),
    )


async def _descriptor(store: ObjectStore) -> ObjectInfo:
    info = await store.head(names.DESCRIPTOR)
    if info is None:
        raise NotFound("there is no vault here", hint="check the address")
    return info


async def must_be_of(seed: ObjectStore, target: ObjectStore) -> None:
    """`Conflict` if the target is another vault than the seed's. Needs no key: those of the one do not open the other."""
    mine, other = await _descriptors(seed, target)
    if other is not None and mine != other:
        raise Conflict(f"this seed is of vault {mine.id.hex()}, and here is vault {other.id.hex()}: nothing was copied", hint=_ITS_OWN)


async def _must_fit(source: ObjectStore, target: ObjectStore) -> None:
    """`Conflict` if the target of an export is another vault."""
    mine, other = await _descriptors(source, target)
    if other is not None and mine != other:
        raise Conflict(f"vault {other.id.hex()} is there, and this is of vault {mine.id.hex()}: nothing was copied", hint=_ELSEWHERE)


async def _descriptors(source: ObjectStore, target: ObjectStore) -> tuple[Descriptor, Descriptor | None]:
    """The target's is None where no vault is."""
    mine = descriptor.decode(bytes(await source.get(names.DESCRIPTOR, 0, 1 << 16)))
    if await target.head(names.DESCRIPTOR) is None:
        return mine, None
    return mine, descriptor.decode(bytes(await target.get(names.DESCRIPTOR, 0, 1 << 16)))


async def _must_be_part(contents: Contents, target: ObjectStore) -> None:
    """A place without a descriptor must be empty, but for what a killed import of the same seed has left."""
    known = {info.name: info.size for info in (*contents.bodies, *contents.records, *contents.slots)}
    async for info in target.list(""):
        if known.get(info.name) != info.size:
            raise Conflict(f"this place is not empty: it holds {info.name}", hint="choose an empty one, or the vault that the seed is of")


async def _onward(records: tuple[ObjectInfo, ...], source: ObjectStore, target: ObjectStore) -> list[ObjectInfo]:
    """The records with which the seed's logs go on where the target's end. `Conflict` where the two differ.

    Each record carries the hash of the one before: where the last common one is the same, all before it are.
    """
    by_log: dict[str, list[ObjectInfo]] = {}
    for info in records:
        by_log.setdefault(info.name.rpartition("/")[0], []).append(info)
    onward: list[ObjectInfo] = []
    for prefix, own in by_log.items():
        there = [info.name async for info in target.list(f"{prefix}/")]
        onward += [info for info in own if not there or info.name > there[-1]]
        if there:
            common = min(own[-1].name, there[-1])
            if common < there[0] or common < own[0].name:
                raise Conflict(f"{prefix} has been trimmed since: the two do not meet any more", hint="export again, into an empty place")
            if await source.get(common) != await target.get(common):
                raise Conflict(f"{prefix} has gone two ways: {common} differs", hint="one of the two copies was written to by itself")
    return onward


def _sum(one: Carried, other: Carried) -> Carried:
    return Carried(one.objects + other.objects, one.copied + other.copied, one.bytes + other.bytes)
