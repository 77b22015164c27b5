"""All that reading a machine's points takes: where its objects are, what opens them, and what its log says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from understudy.errors import IntegrityError, NotFound
from understudy.store.protocol import ObjectStore
from understudy.vault.access import Access
from understudy.vault.kinds import Checkpoint, ObjectRef, PackRef
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.points import PointEntry
from understudy.vault.packs.pack_fetch import inline_ref
from understudy.vault.packs.pack_list import PURPOSE, decode_packs


@dataclass(frozen=True, slots=True)
class History:
    """A machine's log as it was read. `points` oldest first; `checkpoints` newest first."""

    store: ObjectStore
    access: Access
    machine_id: str
    points: tuple[PointEntry, ...]
    checkpoints: tuple[Checkpoint, ...]
    inline: Callable[[int], Awaitable[bytes]]
    """The inline pack of the point record with this number."""
    side_object: Callable[[str, ObjectRef], Awaitable[bytes]]
    """A verified side object of this machine, by purpose and reference."""

    async def packs_of(self, entry: PointEntry) -> list[PackAt]:
        """A point's packs in the order in which they are laid; an inline one comes last."""
        point = entry.point
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
