"""The part of a machine's fold that says which site runs it, and what sites ask of each other. Pure."""

from typing import Final, NamedTuple

import msgspec

from understudy.vault import kinds
from understudy.vault.kinds import Body, Count, Id, Words
from understudy.vault.log.judge import Record

PLANNED: Final = "planned"
UNPLANNED: Final = "unplanned"
CHANGE: Final = "change"
CANCEL: Final = "cancel"

ANSWERS = 16
"""Requests that were answered or cancelled, of this epoch, that are still told of."""


class FailoverEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The failover that began the present epoch: record `seq`, written `at` (its writer's wall clock, ns)."""

    seq: Count
    at: int
    epoch: Count
    site: Words
    before: Words
    """The primary until then."""
    point: bytes
    """What the machine goes on from; empty where the log had no point."""
    head: bytes = b""
    """What the copy at the former primary goes on from, as far as the log tells."""
    mode: Words = ""
    reason: Words = ""
    id: bytes = b""
    isolation: Count = 0
    """That of the former primary, which counts again if it becomes the primary again by a cancellation."""
    unheard: Words = ""
    """The site that may run the machine though nobody hears of it, where that is another one: no failover since was committed."""
    unheard_for: Count = 0
    """Its isolation."""
    committed: int = 0
    """When that was accepted; 0: not yet."""

    @property
    def waits_for(self) -> tuple[str, int]:
        """The site that may run the machine though nobody hears of it, and after how many seconds it has paused it; 0: it does not."""
        return (self.unheard, self.unheard_for) if self.unheard else (self.before, self.isolation)


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request, and the newest answer to it."""

    id: Id
    seq: Count
    at: int
    action: Words
    site: Words
    by: Words
    force: bool = False
    outcome: Words = ""
    """began, done, failed, cancelled; empty: nobody has answered."""
    text: Words = ""

    @property
    def open(self) -> bool:
        return self.outcome in ("", "began")


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """What a former primary said last, `at` its wall clock (ns)."""

    site: Words
    epoch: Count
    running: bool
    text: Words
    at: int


class AuthorityState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it is after some records. `since`: points of this epoch; `final`: the last one of its source, empty if none is."""

    failover: FailoverEntry | None = None
    since: Count = 0
    final: bytes = b""
    isolation: Count = 0
    requests: tuple[Asked, ...] = ()
    stood: tuple[Stood, ...] = ()


NOBODY = AuthorityState()


class Position(NamedTuple):
    """Where the machine stands when a record comes: the primary and the point that it would go on from."""

    epoch: int
    site: str
    head: bytes


def refusal(now: AuthorityState, body: Body, position: Position) -> str:
    """Why this does not count after all that came before; empty if it does."""
    match body:
        case kinds.Point() | kinds.Intent() if now.final:
            return f"point {now.final.hex()} was the last one before a planned failover"
        case kinds.Withdraw(point=point) if point != now.final:
            return "it is of a point that is not final"
        case kinds.Commit(epoch=epoch):
            if epoch != position.epoch or now.failover is None:
                return f"no failover began epoch {epoch}"
            if now.failover.committed:
                return "that was committed before"
        case kinds.Request(id=id_, cancelled=False) if _asked(now, id_) is not None:
            return "this request exists already"
        case kinds.Request(id=id_, cancelled=True) | kinds.Answer(id=id_):
            asked = _asked(now, id_)
            if asked is None:
                return "nothing was asked for under this id"
            # What was done may be taken back as long as nobody has gone on from it.
            taken_back = isinstance(body, kinds.Request) and asked.outcome == "done"
            if not (asked.open or taken_back):
                return f"that request is {asked.outcome} already"
    return ""


def applied(now: AuthorityState, record: Record, body: Body, position: Position) -> AuthorityState:
    """Fold in what `refusal` has let pass. `position` is that from before the record."""
    replace = msgspec.structs.replace
    match body:
        case kinds.Point(id=point, final=final):
            return replace(now, since=now.since + 1, final=point if final else b"")
        case kinds.Withdraw():
            return replace(now, final=b"")
        case kinds.Failover():
            entry = _entry(now, record, body, position)
            return AuthorityState(failover=entry, isolation=entry.isolation if body.mode == CANCEL else 0)
        case kinds.Commit() if now.failover is not None:
            return replace(now, failover=replace(now.failover, committed=max(record.at, 1)))
        case kinds.Request(id=id_, cancelled=True):
            return _answered(now, id_, "cancelled", "")
        case kinds.Request(id=id_, action=action, site=site, by=by, force=force):
            asked = Asked(id=id_, seq=record.seq, at=record.at, action=action, site=site, by=by, force=force)
            return replace(now, requests=(*_bounded(now.requests), asked))
        case kinds.Answer(id=id_, outcome=outcome, text=text):
            return _answered(now, id_, outcome, text)
        case kinds.Isolation(after=after):
            return replace(now, isolation=after)
        case kinds.StandDown(site=site, epoch=epoch, running=running, text=text):
            said = Stood(site=site, epoch=epoch, running=running, text=text, at=record.at)
            return replace(now, stood=(*(one for one in now.stood if one.site != site), said))
    return now


def _entry(now: AuthorityState, record: Record, body: kinds.Failover, position: Position) -> FailoverEntry:
    """One that changes the point, or cancels, still speaks of the primary before the first."""
    before, head, isolation, earlier = position.site, position.head, now.isolation, now.failover
    unheard, seconds = "", 0
    if body.mode in (CHANGE, CANCEL) and earlier is not None and not earlier.committed:
        before, head, isolation = earlier.before, earlier.head, earlier.isolation
        unheard, seconds = earlier.unheard, earlier.unheard_for
    elif earlier is not None and not (earlier.committed or now.since or earlier.mode == PLANNED):
        # Where the machine was brought nobody pauses it yet: still it is whoever ran it before, unless that has said that it does not.
        site, after = earlier.waits_for
        unheard, seconds = (site, after) if after and not stands_still(now, site) else ("", 0)
    return FailoverEntry(
        seq=record.seq,
        at=record.at,
        epoch=body.epoch,
        site=body.site,
        before=before,
        point=body.point or position.head,
        head=head,
        mode=body.mode,
        reason=body.reason,
        id=body.id,
        isolation=isolation,
        unheard=unheard,
        unheard_for=seconds,
        # Where it was before, there is nothing to accept.
        committed=max(record.at, 1) if body.mode == CANCEL else 0,
    )


def stands_still(now: AuthorityState, site: str) -> bool:
    """Whether the site has said so in this epoch."""
    return any(stood.site == site and not stood.running for stood in now.stood)


def _asked(now: AuthorityState, id_: bytes) -> Asked | None:
    return next((asked for asked in now.requests if asked.id == id_), None)


def _answered(now: AuthorityState, id_: bytes, outcome: str, text: str) -> AuthorityState:
    replace = msgspec.structs.replace
    return replace(now, requests=tuple(replace(asked, outcome=outcome, text=text) if asked.id == id_ else asked for asked in now.requests))


def _bounded(requests: tuple[Asked, ...]) -> tuple[Asked, ...]:
    """Open ones stay."""
    over = [asked for asked in requests if not asked.open][: max(0, len(requests) - ANSWERS)]
    return tuple(asked for asked in requests if asked not in over)
