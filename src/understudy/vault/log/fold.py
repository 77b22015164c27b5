"""From the records of a machine's log to its state. Pure: the same records give the same state to every reader."""

from collections.abc import Collection, Iterable

from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log import authority
from understudy.vault.log.authority import NOBODY, Position
from understudy.vault.log.judge import Record, Void
from understudy.vault.log.keeping import NOTHING, Attached, Keeping, copied
from understudy.vault.log.state import ClaimEntry, Lost, MachineState
from understudy.vault.log.trim_state import Gone, LastClaim, Proof, Superseded, TrimState

_OF_THE_PRIMARY = (
    *(kinds.Claim, kinds.Point, kinds.Checkpoint, kinds.Definition, kinds.Failover, kinds.Intent),
    *(kinds.Commit, kinds.Request, kinds.Answer, kinds.Withdraw, kinds.Isolation),
)
"""What only the present epoch may say."""

DRILLS = 10
"""So many drills are remembered."""


def fold(machine_id: str, records: Iterable[Record]) -> MachineState:
    folder = Folder(machine_id)
    for record in records:
        folder.take(record)
    return folder.state()


class Folder:
    """Takes one record after the other. `state` costs a copy of its lists, not another walk over the log."""

    def __init__(self, machine_id: str) -> None:
        self._id = machine_id
        self._name = ""
        self._site = ""
        self._epoch = 0
        self._writer = b""
        self._claims: list[ClaimEntry] = []
        self._keeping = Keeping()
        self._authority = NOBODY
        self._definition: kinds.Definition | None = None
        self._drills: dict[bytes, kinds.Drill] = {}
        self._void: list[Void] = []
        self._missed = False
        self._any_writer = False
        self._lost: list[Lost] = []
        self._named: dict[bytes, int] = {}
        self._unknown = 0

    def state(self) -> MachineState:
        keeping = self._keeping
        return MachineState(
            id=self._id,
            name=self._name,
            site=self._site,
            epoch=self._epoch,
            writer=self._writer,
            points=tuple(keeping.kept()),
            entries=tuple(keeping.entries),
            dropped=dict(keeping.dropped),
            claims=tuple(self._claims),
            holds=tuple(keeping.holds.values()),
            checkpoints=tuple(reversed(keeping.checkpoints)),
            maps=dict(keeping.maps),
            repack=keeping.repack,
            horizon=keeping.horizon,
            condemned=tuple(keeping.condemned),
            intent=keeping.intent,
            retention=keeping.retention,
            verified=dict(keeping.verified),
            drills=tuple(self._drills.values()),
            lost=tuple(self._lost),
            named=None if self._unknown else self._references(),
            definition=self._definition.definition if self._definition else None,
            trims=tuple(keeping.trims),
            head=keeping.head,
            superseded=dict(keeping.superseded),
            authority=self._authority,
            void=tuple(self._void),
        )

    @classmethod
    def resume(cls, machine_id: str, state: TrimState) -> "Folder":
        """As after the records that were trimmed."""
        folder = cls(machine_id)
        folder._name, folder._site, folder._epoch, folder._writer = state.name, state.site, state.epoch, state.writer
        folder._keeping = Keeping.resume(state)
        folder._definition, folder._authority = state.definition, state.authority
        folder._drills = {drill.id: drill for drill in state.drills}
        if state.claim is not None:
            folder._claims.append(ClaimEntry(state.claim.seq, state.claim.epoch, state.claim.writer, state.claim.site))
        return folder

    def copy(self) -> "Folder":
        """One that takes records of its own from here on."""
        other = copied(self)
        other._keeping = copied(self._keeping)
        return other

    def trim_state(self, maps: Collection[bytes]) -> TrimState:
        """What `resume` makes this of. `maps`: the points of the repack, later in the log, that makes these records needless."""
        keeping, claim = self._keeping, self._claims[-1] if self._claims else None
        return TrimState(
            name=self._name,
            site=self._site,
            epoch=self._epoch,
            writer=self._writer,
            claim=LastClaim(seq=claim.seq, epoch=claim.epoch, writer=claim.writer, site=claim.site) if claim else None,
            points=keeping.points_for(maps),
            dropped=tuple(Gone(point=point, seq=gone.seq, prune=gone.prune, at=gone.at) for point, gone in keeping.dropped.items()),
            holds=tuple(keeping.holds.values()),
            proofs=tuple(Proof(point=point, at=at) for point, at in keeping.verified.items()),
            repack=keeping.repack,
            horizon=keeping.horizon,
            maps=tuple(keeping.maps.values()),
            trimmed=keeping.trimmed,
            intent=keeping.intent,
            retention=keeping.retention,
            definition=self._definition,
            drills=tuple(self._drills.values()),
            head=b"" if keeping.entries and keeping.entries[-1].point.id == keeping.head else keeping.head,
            superseded=tuple(Superseded(point=point, epoch=epoch) for point, epoch in keeping.superseded.items()),
            authority=self._authority,
        )

    def miss(self) -> None:
        """Records in between cannot be read: a claim or a failover may have been among them, or the one that opened the log."""
        self._missed = self._any_writer = self._keeping.missed = True
        self._epoch = max(1, self._epoch)

    def take(self, record: Record, attached: Attached = NOTHING) -> str:
        """Why the record is void; empty if it counts. `attached`: what its side object says."""
        reason = record.void or self._apply(record, attached)
        if reason:
            self._void.append(Void(record.seq, record.kind, reason))
            return reason
        if attached.lost:
            self._lost.append(Lost(record.seq, record.kind, attached.object, attached.lost))
        self._note(record)
        return ""

    def _note(self, record: Record) -> None:
        """What it names is no garbage while the record is there: readers of the log ask for it."""
        if record.body is None:
            self._unknown = record.seq
        else:
            self._named.update((ref.hash, record.seq) for ref in record.body.references())

    def _references(self) -> frozenset[bytes]:
        """Of records that are trimmed only what points that are still there have."""
        definitions = [entry.point.definition for entry in self._keeping.entries]
        if self._definition is not None:
            definitions.append(self._definition.definition)
        return frozenset(self._named).union(ref.hash for ref in definitions if ref is not None)

    @property
    def condemning(self) -> bool:
        """Whether anything was condemned since the newest point, so that a point which follows might name it."""
        return self._keeping.condemning

    @property
    def lost_list(self) -> str:
        """Why it cannot be told what was condemned since the newest point; empty if it can."""
        return self._keeping.lost_list

    def refusal(self, body: Body, attached: Attached = NOTHING) -> str:
        """Why this would not count if it came next, as far as what is kept decides that."""
        return self._keeping.refusal(body, attached) or authority.refusal(self._authority, body, self._position)

    @property
    def _position(self) -> Position:
        return Position(self._epoch, self._site, self._keeping.head)

    def _apply(self, record: Record, attached: Attached) -> str:
        body = record.body
        if isinstance(body, kinds.Protect):
            return self._protect(record, body)
        if not self._epoch:
            return "nothing opened this log before it"
        if record.epoch > self._epoch and self._missed:
            self._epoch, self._any_writer = record.epoch, True
        if record.epoch > self._epoch:
            return f"it speaks of epoch {record.epoch}, which never began"
        if isinstance(body, _OF_THE_PRIMARY) and record.epoch < self._epoch:
            return f"it is of epoch {record.epoch}, which ended with a failover"
        if body is None:
            return ""
        reason = self._refusal(record, body) or self._keeping.refusal(body, attached)
        if not (reason or self._missed):
            reason = authority.refusal(self._authority, body, self._position)
        if not reason:
            self._authority = authority.applied(self._authority, record, body, self._position)
            self._count(record, body)
            self._keeping.apply(record, body, attached)
        return reason

    def _refusal(self, record: Record, body: Body) -> str:
        match body:
            case kinds.Claim(site=site) if self._epoch > 1 and record.role == "source" and site != self._site and not self._any_writer:
                return f"site {self._site!r} is the primary in epoch {self._epoch}, not {site!r}"
            case kinds.Point() | kinds.Intent() if record.writer != self._writer and not self._any_writer:
                return "its writer does not have the newest claim"
            case kinds.Failover(epoch=epoch) if epoch != self._epoch + 1:
                return f"epoch {epoch} does not follow epoch {self._epoch}"
            case kinds.Repack(horizon=up_to) | kinds.Trim(up_to=up_to) if up_to >= record.seq:
                return f"record {up_to}, up to which it speaks, is not before it"
        return ""

    def _count(self, record: Record, body: Body) -> None:
        match body:
            case kinds.Claim(site=site):
                self._claims.append(ClaimEntry(record.seq, record.epoch, record.writer, site))
                self._writer, self._site, self._any_writer = record.writer, site, False
            case kinds.Definition():
                self._definition = body
            case kinds.Drill(id=id_):
                # Said again, where it was not known whether it had been said.
                self._drills.setdefault(id_, body)
                self._drills = dict(list(self._drills.items())[-DRILLS:])
            case kinds.Trim(up_to=up_to):
                last = max((claim.seq for claim in self._claims if claim.seq <= up_to), default=0)
                self._claims = [claim for claim in self._claims if claim.seq >= last]
                self._void = [void for void in self._void if void.seq > up_to]
                self._lost = [lost for lost in self._lost if lost.seq > up_to]
                self._named = {named: seq for named, seq in self._named.items() if seq > up_to}
                self._unknown = self._unknown if self._unknown > up_to else 0
            case kinds.Failover(epoch=epoch, site=site):
                self._epoch, self._site, self._writer = epoch, site, b""

    def _protect(self, record: Record, body: kinds.Protect) -> str:
        if record.seq != 1:
            return "only the first record opens a log"
        if record.epoch != 1:
            return "a machine begins with epoch 1"
        self._name, self._site, self._epoch = body.name, body.site, 1
        return ""
