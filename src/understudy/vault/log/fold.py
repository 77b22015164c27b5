"""From the records of a machine's log to its state. Pure: the same records give the same state to every reader."""

from collections.abc import Iterable

from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.judge import Record, Void
from understudy.vault.log.keeping import NOTHING, Attached, Keeping
from understudy.vault.log.state import ClaimEntry, MachineState

_OF_THE_PRIMARY = (kinds.Claim, kinds.Point, kinds.Checkpoint, kinds.Definition, kinds.Failover, kinds.Intent)
"""What only the present epoch may say."""


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
        self._definition: kinds.ObjectRef | None = None
        self._void: list[Void] = []
        self._missed = False
        self._any_writer = False
        self._lost: list[str] = []
        self._named: set[bytes] = set()
        self._unknown = False

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
            lost=tuple(self._lost),
            named=None if self._unknown else frozenset(self._named),
            definition=self._definition,
            void=tuple(self._void),
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
            self._lost.append(f"record {record.seq}, a {record.kind}: {attached.lost}")
        self._note(record)
        return ""

    def _note(self, record: Record) -> None:
        """What it names is no garbage while the record is there: readers of the log ask for it."""
        if record.body is None:
            self._unknown = True
        else:
            self._named.update(ref.hash for ref in record.body.references())

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
        return self._keeping.refusal(body, attached)

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
        if not reason:
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
            case kinds.Repack(horizon=horizon) if horizon >= record.seq:
                return f"its horizon, record {horizon}, is not before it"
        return ""

    def _count(self, record: Record, body: Body) -> None:
        match body:
            case kinds.Claim(site=site):
                self._claims.append(ClaimEntry(record.seq, record.epoch, record.writer, site))
                self._writer, self._site, self._any_writer = record.writer, site, False
            case kinds.Definition(definition=definition):
                self._definition = definition
            case kinds.Failover(epoch=epoch, site=site):
                self._epoch, self._site, self._writer = epoch, site, b""

    def _protect(self, record: Record, body: kinds.Protect) -> str:
        if record.seq != 1:
            return "only the first record opens a log"
        if record.epoch != 1:
            return "a machine begins with epoch 1"
        self._name, self._site, self._epoch = body.name, body.site, 1
        return ""
