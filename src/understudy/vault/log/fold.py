"""From the records of a machine's log to its state. Pure: the same records give the same state to every reader."""

from collections.abc import Iterable

import msgspec

from understudy.vault import kinds
from understudy.vault.log.judge import Record, Void
from understudy.vault.log.state import ClaimEntry, MachineState
from understudy.vault.maps.points import PointEntry


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
        self._points: list[PointEntry] = []
        self._point_ids: set[bytes] = set()
        self._claims: list[ClaimEntry] = []
        self._holds: dict[bytes, kinds.Hold] = {}
        self._checkpoints: list[kinds.Checkpoint] = []
        self._definition: kinds.ObjectRef | None = None
        self._void: list[Void] = []
        self._missed = False
        self._any_writer = False

    def state(self) -> MachineState:
        return MachineState(
            id=self._id,
            name=self._name,
            site=self._site,
            epoch=self._epoch,
            writer=self._writer,
            points=tuple(self._points),
            claims=tuple(self._claims),
            holds=tuple(self._holds.values()),
            checkpoints=tuple(reversed(self._checkpoints)),
            definition=self._definition,
            void=tuple(self._void),
        )

    def miss(self) -> None:
        """Records in between cannot be read: a claim or a failover may have been among them, or the one that opened the log."""
        self._missed = self._any_writer = True
        self._epoch = max(1, self._epoch)

    def take(self, record: Record) -> str:
        """Why the record is void; empty if it counts."""
        reason = record.void or self._apply(record)
        if reason:
            self._void.append(Void(record.seq, record.kind, reason))
        return reason

    def _apply(self, record: Record) -> str:
        body = record.body
        if isinstance(body, kinds.Protect):
            return self._protect(record, body)
        if not self._epoch:
            return "nothing opened this log before it"
        if record.epoch > self._epoch and self._missed:
            self._epoch, self._any_writer = record.epoch, True
        if record.epoch > self._epoch:
            return f"it speaks of epoch {record.epoch}, which never began"
        match body:
            case kinds.Hold(id=id_, lifted=True):
                self._holds.pop(id_, None)
                return ""
            case kinds.Hold(id=id_):
                self._holds[id_] = body
                return ""
            case kinds.Claim() | kinds.Point() | kinds.Checkpoint() | kinds.Definition() | kinds.Failover() if record.epoch < self._epoch:
                return f"it is of epoch {record.epoch}, which ended with a failover"
            case kinds.Claim(site=site):
                return self._claim(record, site)
            case kinds.Point():
                return self._point(record, body)
            case kinds.Checkpoint(point=point):
                if point not in self._point_ids and not self._missed:
                    return "it is of a point that does not exist"
                self._checkpoints.append(body)
            case kinds.Definition(definition=definition):
                self._definition = definition
            case kinds.Failover(epoch=epoch, site=site):
                if epoch != self._epoch + 1:
                    return f"epoch {epoch} does not follow epoch {self._epoch}"
                self._epoch, self._site, self._writer = epoch, site, b""
        return ""

    def _protect(self, record: Record, body: kinds.Protect) -> str:
        if record.seq != 1:
            return "only the first record opens a log"
        if record.epoch != 1:
            return "a machine begins with epoch 1"
        self._name, self._site, self._epoch = body.name, body.site, 1
        return ""

    def _claim(self, record: Record, site: str) -> str:
        if self._epoch > 1 and record.role == "source" and site != self._site and not self._any_writer:
            return f"site {self._site!r} is the primary in epoch {self._epoch}, not {site!r}"
        self._claims.append(ClaimEntry(record.seq, record.epoch, record.writer, site))
        self._writer, self._site, self._any_writer = record.writer, site, False
        return ""

    def _point(self, record: Record, point: kinds.Point) -> str:
        if record.writer != self._writer and not self._any_writer:
            return "its writer does not have the newest claim"
        if point.id in self._point_ids:
            return "this point exists already"
        self._point_ids.add(point.id)
        self._points.append(PointEntry(record.seq, msgspec.structs.replace(point, inline=b""), len(point.inline)))
        return ""
