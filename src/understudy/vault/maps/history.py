"""All that reading a machine's points takes: where its objects are, what opens them, and what its log says."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from understudy.errors import IntegrityError, NotFound
from understudy.store.protocol import Cache, ObjectStore, Reader
from understudy.vault.access import Access
from understudy.vault.kinds import Checkpoint, ObjectRef, PackRef
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.points import Dropped, PointEntry
from understudy.vault.packs.pack_fetch import inline_ref
from understudy.vault.packs.pack_list import PURPOSE, decode_packs


@dataclass(frozen=True, slots=True)
class History:
    """A machine's log as it was read. `points`, which are kept, and `entries`, which a point may be laid on, oldest first."""

    store: ObjectStore
    access: Access
    machine_id: str
    points: tuple[PointEntry, ...]
    entries: tuple[PointEntry, ...]
    checkpoints: tuple[Checkpoint, ...]
    """Newest first."""
    inline: Callable[[int], Awaitable[bytes]]
    """The inline pack of the point record with this number."""
    side_object: Callable[[str, ObjectRef], Awaitable[bytes]]
    """A verified side object of this machine, by purpose and reference."""
    maps: Mapping[bytes, Checkpoint] = field(default_factory=dict)
    """What the newest repack says, by point. What these points' own packs said may be gone."""
    repack: int = 0
    """That repack's record."""
    dropped: Mapping[bytes, Dropped] = field(default_factory=dict)
    trimmed: int = 0
    """Up to this record, of points that were dropped nothing more is known."""
    cache: Cache | None = None
    """What packs and maps are read through, by who may see what the store said once."""

    @property
    def reader(self) -> Reader:
        return self.cache or self.store

    def at_first_hand(self) -> "History":
        """The same, for who must see what the store says now."""
        return replace(self, cache=None)

    def find(self, point_id: bytes) -> PointEntry:
        """A point that is kept. `NotFound`, which says when it was dropped."""
        for entry in reversed(self.points):
            if entry.point.id == point_id:
                return entry
        dropped = self.dropped.get(point_id)
        if dropped is not None:
            day = datetime.fromtimestamp(dropped.at / 1e9, UTC).strftime("%Y-%m-%d %H:%M")
            raise NotFound(f"recovery point {point_id.hex()} was dropped by retention on {day} UTC, in record {dropped.prune}")
        past = (
            f"; if it ever had, in one of its first {self.trimmed} records, pruning dropped it, and they are trimmed"
            if self.trimmed
            else ""
        )
        raise NotFound(f"this machine has no recovery point {point_id.hex()}{past}")

    def with_dropped(self) -> "History":
        """The same, with the dropped points as if they were kept: for what only compares."""
        return replace(self, points=self.entries, dropped={})

    async def packs_of(self, entry: PointEntry) -> list[PackAt]:
        """A point's packs in the order in which they are laid; an inline one comes last. None if a repack has its map."""
        point = entry.point
        if point.id in self.maps:
            return []
        if entry.trimmed:
            raise IntegrityError(
                f"the map of recovery point {point.id.hex()} is missing", hint="restore the repack's side object from a copy"
            )
        refs: list[PackRef] = list(point.packs)
        if point.packs_in is not None:
            refs += decode_packs(await self.side_object(PURPOSE, point.packs_in))
        packs = [PackAt(ref.id, ref.size, ref.hash) for ref in refs]
        if point.inline or entry.inlined:
            ref = inline_ref(await self.inline_of(entry))
            packs.append(PackAt(ref.id, ref.size, ref.hash, entry.seq))
        return packs

    async def inline_of(self, entry: PointEntry) -> bytes:
        return entry.point.inline or await self.inline(entry.seq)

    async def inline_pack(self, pack: PackAt) -> bytes:
        """The bytes of a pack that a map places in a record."""
        try:
            data = await self.inline(pack.seq)
        except NotFound as error:
            raise IntegrityError(f"a map places pack {pack.id.hex()} in record {pack.seq}, which there is not") from error
        ref = inline_ref(data)
        if PackAt(ref.id, ref.size, ref.hash, pack.seq) != pack:
            raise IntegrityError(f"record {pack.seq} does not carry pack {pack.id.hex()}")
        return data
