"""The part of a machine's fold that says what is kept: points, their maps, and what may go. Pure."""

import copy
from collections.abc import Collection, Iterable
from typing import NamedTuple, TypeVar

import msgspec

from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.judge import Record
from understudy.vault.log.lists import pack_name
from understudy.vault.log.trim_state import KeptPoint, Trimmed, TrimState
from understudy.vault.maps.points import Dropped, PointEntry

T = TypeVar("T")


class Attached(NamedTuple):
    """What a record's side object says, as far as the fold needs it. `lost`: why that cannot be told; empty if it can."""

    maps: tuple[kinds.Checkpoint, ...] = ()
    names: frozenset[str] = frozenset()
    packs: tuple[kinds.PackRef, ...] = ()
    lost: str = ""
    object: str = ""
    """The side object's name."""


NOTHING = Attached()


class Condemned(NamedTuple):
    """A condemnation: record `seq`, written `at` (its writer's wall clock, ns). `names` as in its list; empty if that is lost."""

    seq: int
    at: int
    grace: int
    objects: kinds.ObjectRef
    names: frozenset[str]


class Keeping:
    """`refusal` says whether a record counts, `apply` folds it in."""

    def __init__(self) -> None:
        self.entries: list[PointEntry] = []
        self.dropped: dict[bytes, Dropped] = {}
        self.holds: dict[bytes, kinds.Hold] = {}
        self.checkpoints: list[kinds.Checkpoint] = []
        self.maps: dict[bytes, kinds.Checkpoint] = {}
        self.repack = 0
        self.horizon = 0
        self.condemned: list[Condemned] = []
        self.intent: kinds.Intent | None = None
        self.retention: kinds.Retention | None = None
        self.verified: dict[bytes, int] = {}
        self.head = b""
        """The point that the machine goes on from: the newest, or what it was failed over to since."""
        self.superseded: dict[bytes, int] = {}
        """Points that the machine did not go on from: the epoch that began without them, by point."""
        self.trims: list[Trimmed] = []
        self.trimmed = 0
        self._by_id: dict[bytes, PointEntry] = {}
        self.missed = False
        """Some records in between could not be read: what others say of them is believed."""
        self.condemning = False
        """Something was condemned since the newest point."""
        self.lost_list = ""
        """Why it cannot be told what."""

    def kept(self) -> list[PointEntry]:
        return [entry for entry in self.entries if entry.point.id not in self.dropped]

    @classmethod
    def resume(cls, state: TrimState) -> "Keeping":
        """As after the records that were trimmed."""
        keeping = cls()
        for kept in state.points:
            keeping.add(PointEntry(kept.seq, _without_packs(kept.point), 0, trimmed=True))
        keeping.dropped = {gone.point: Dropped(gone.seq, gone.prune, gone.at) for gone in state.dropped}
        keeping.holds = {hold.id: hold for hold in state.holds}
        keeping.verified = {proof.point: proof.at for proof in state.proofs}
        keeping.maps = {checkpoint.point: checkpoint for checkpoint in state.maps}
        keeping.repack, keeping.horizon, keeping.trimmed = state.repack, state.horizon, state.trimmed
        keeping.intent, keeping.retention = state.intent, state.retention
        keeping.head = state.head or keeping.head
        keeping.superseded = {gone.point: gone.epoch for gone in state.superseded}
        return keeping

    def points_for(self, maps: Collection[bytes]) -> tuple[KeptPoint, ...]:
        """What `resume` needs to know: the points that are kept, and those that a later repack, of `maps`, says are laid upon."""
        return tuple(
            KeptPoint(seq=entry.seq, point=_without_packs(entry.point))
            for entry in self.entries
            if entry.point.id not in self.dropped or entry.point.id in maps
        )

    def refusal(self, body: Body, attached: Attached = NOTHING) -> str:
        """Why this does not count after all that came before; empty if it does."""
        match body:
            case kinds.Point():
                return self._refused_point(body, attached)
            case kinds.Checkpoint(point=point, repack=repack):
                if not self._knows(point) and not self.missed:
                    return "it is of a point that does not exist"
                return (
                    ""
                    if repack == self.repack or (self.missed and repack > self.repack)
                    else "it was made before the newest repack, of maps that are void now"
                )
            case kinds.Hold(lifted=False, point=point) if point in self.dropped:
                return "it is of a point that was dropped before"
            case kinds.Verified(point=point) if point in self.dropped or not (self._knows(point) or self.missed):
                return "it is of a point that is not kept"
            case kinds.Prune(points=points) if not self.missed:
                return self._refused_prune(points)
            case kinds.Repack(horizon=horizon) if not (attached.lost or self.missed):
                return self._refused_repack(horizon, attached.maps)
            case kinds.Trim(up_to=up_to):
                return self._refused_trim(up_to)
            case kinds.Failover(point=point) if point and (point in self.dropped or not (self._knows(point) or self.missed)):
                return "it goes on from a point that is not kept"
        return ""

    def apply(self, record: Record, body: Body, attached: Attached = NOTHING) -> None:
        """Fold in what `refusal` has let pass."""
        match body:
            case kinds.Point():
                entry = PointEntry(record.seq, msgspec.structs.replace(body, inline=b""), len(body.inline))
                self.add(entry)
                self.intent, self.condemning, self.lost_list, self.head = None, False, "", body.id
            case kinds.Checkpoint(repack=repack):
                if repack > self.repack:  # one that could not be read
                    self.checkpoints.clear()
                    self.repack = repack
                self.checkpoints.append(body)
            case kinds.Hold(id=id_, lifted=True):
                self.holds.pop(id_, None)
            case kinds.Hold(id=id_):
                self.holds[id_] = body
            case kinds.Verified(point=point):
                self.verified[point] = record.at
            case kinds.Retention():
                self.retention = body
            case kinds.Prune(points=points):
                # Those that nothing is known of were dropped, and trimmed, before.
                for point in points:
                    known = self._by_id.get(point)
                    self.dropped.setdefault(point, Dropped(known.seq if known else 0, record.seq, record.at))
                    self.verified.pop(point, None)
            case kinds.Repack(horizon=horizon):
                self.checkpoints.clear()
                self.maps = {checkpoint.point: checkpoint for checkpoint in attached.maps}
                self.repack, self.horizon = record.seq, horizon
            case kinds.Condemn(objects=objects, grace=grace):
                self.condemned.append(Condemned(record.seq, record.at, grace, objects, attached.names))
                self.condemning, self.lost_list = True, self.lost_list or attached.lost
            case kinds.Trim():
                self._collapse(body.up_to)
                self.trims.append(Trimmed(record.seq, record.at, body.up_to, body.hash, body.state, body.grace))
            case kinds.Intent():
                self.intent = body
            case kinds.Failover(epoch=epoch, point=point):
                self.intent = None
                if point and point != self.head:
                    self._go_back(point, epoch)

    def add(self, entry: PointEntry) -> None:
        self.entries.append(entry)
        self._by_id[entry.point.id] = entry
        self.head = entry.point.id

    def _go_back(self, point: bytes, epoch: int) -> None:
        """Go on from an earlier point: what was made after it is superseded, and what it is laid on is not, even if it was.

        As far as that is kept: who begins at a trim does not know what lies below a point that was dropped, and must come to the same.
        """
        at, self.head = point, point
        for entry in reversed(self.entries):
            if entry.point.id == at:
                self.superseded.pop(at, None)
                at = entry.point.parent if entry.point.parent not in self.dropped else b""
            elif at == point:
                self.superseded.setdefault(entry.point.id, epoch)

    def _knows(self, point: bytes) -> bool:
        return point in self._by_id or point in self.dropped

    def _collapse(self, up_to: int) -> None:
        """Leave of records up to this number what who begins after them knows of them."""
        entries = [
            PointEntry(entry.seq, _without_packs(entry.point), 0, trimmed=True) if entry.seq <= up_to else entry
            for entry in self.entries
            if entry.seq > up_to or entry.point.id not in self.dropped or entry.point.id in self.maps
        ]
        self.entries = entries
        self._by_id = {entry.point.id: entry for entry in entries}
        self.dropped = {point: dropped for point, dropped in self.dropped.items() if dropped.seq > up_to or point in self.maps}
        self.condemned = [condemned for condemned in self.condemned if condemned.seq > up_to]
        self.superseded = {point: epoch for point, epoch in self.superseded.items() if point in self._by_id}
        self.trims = [trim for trim in self.trims if trim.seq > up_to]
        self.trimmed = up_to

    def _refused_trim(self, up_to: int) -> str:
        head = self._by_id.get(self.head)
        if not 1 < up_to < (head.seq if head else 0):
            return f"record {up_to} is not before that of the newest point"
        if up_to > self.horizon:
            return f"no repack has the maps of the points up to record {up_to}"
        if up_to < self.trimmed:
            return f"the records up to {self.trimmed} were trimmed before"
        return ""

    def _refused_point(self, point: kinds.Point, attached: Attached) -> str:
        if self._knows(point.id):
            return "this point exists already"
        for pack in (*point.packs, *attached.packs):
            name = pack_name(pack.id)
            if any(name in condemned.names for condemned in self.condemned):
                return f"it names pack {pack.id.hex()}, which was condemned before"
        return ""

    def _refused_prune(self, points: Iterable[bytes]) -> str:
        kept = self.kept()
        held = {hold.point for hold in self.holds.values()}
        for point in points:
            if kept and point in (kept[-1].point.id, self.head):
                return "it drops the newest point"
            if point in held:
                return f"it drops point {point.hex()}, which is held"
        return ""

    def _refused_repack(self, horizon: int, maps: tuple[kinds.Checkpoint, ...]) -> str:
        if horizon < self.horizon:
            return f"its horizon is before that of the repack in record {self.repack}"
        made = {checkpoint.point for checkpoint in maps}
        for entry in needed(self.entries, self.dropped, horizon):
            if entry.point.id not in made:
                return f"it has no map of point {entry.point.id.hex()}, which is needed"
        return ""


def copied(part: T) -> T:
    """With lists and mappings of its own; what is in them is never changed."""
    other = copy.copy(part)
    vars(other).update({name: value.copy() for name, value in vars(part).items() if isinstance(value, list | dict)})
    return other


def needed(entries: Iterable[PointEntry], dropped: Iterable[bytes], horizon: int) -> list[PointEntry]:
    """Points up to record `horizon` whose maps a repack must have: those kept, and those that a later one, kept or not, is laid on."""
    entries, gone = list(entries), frozenset(dropped)
    bases = {entry.point.parent for entry in entries if entry.seq > horizon}
    return [entry for entry in entries if entry.seq <= horizon and (entry.point.id not in gone or entry.point.id in bases)]


def _without_packs(point: kinds.Point) -> kinds.Point:
    return msgspec.structs.replace(point, packs=(), packs_in=None)
