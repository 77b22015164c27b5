"""The fold of a log's first records, as the side object that a trim names: who begins there needs nothing of what was before."""

from typing import NamedTuple

import msgspec

from understudy.errors import IntegrityError
from understudy.vault.kinds import Checkpoint, Count, Definition, Drill, Hold, Id, Intent, ObjectRef, Point, Retention, Words
from understudy.vault.log.authority import NOBODY, AuthorityState
from understudy.vault.malformed import MALFORMED

PURPOSE = "trim"


class KeptPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point and its record's number. Its packs are not named any more: a repack that follows has its map."""

    seq: Count
    point: Point


class LastClaim(msgspec.Struct, frozen=True, kw_only=True):
    seq: Count
    epoch: Count
    writer: Id
    site: Words


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """A point that record `prune`, written `at` (wall clock, ns), dropped."""

    point: Id
    seq: Count
    prune: Count
    at: int


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """When a point was verified last."""

    point: Id
    at: int


class Superseded(msgspec.Struct, frozen=True, kw_only=True):
    """A point that the machine did not go on from when `epoch` began."""

    point: Id
    epoch: Count


class Trimmed(NamedTuple):
    """A trim that counts: record `seq`, written `at` (its writer's wall clock, ns)."""

    seq: int
    at: int
    up_to: int
    hash: bytes
    state: ObjectRef
    grace: int


class TrimState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that later records build on. Checkpoints are not in it: the repack that follows has made them void."""

    name: Words
    site: Words
    epoch: Count
    writer: bytes
    claim: LastClaim | None = None
    points: tuple[KeptPoint, ...] = ()
    dropped: tuple[Gone, ...] = ()
    """Known until the trim itself; some of `points` are among them, which others are laid upon."""
    holds: tuple[Hold, ...] = ()
    proofs: tuple[Proof, ...] = ()
    repack: Count = 0
    horizon: Count = 0
    maps: tuple[Checkpoint, ...] = ()
    """As the newest repack then said; one that follows, before the trim, says it anew."""
    trimmed: Count = 0
    """What an earlier trim spoke of."""
    intent: Intent | None = None
    retention: Retention | None = None
    definition: Definition | None = None
    drills: tuple[Drill, ...] = ()
    """The newest, oldest first."""
    head: bytes = b""
    """The point that the machine went on from then; empty: the newest."""
    superseded: tuple[Superseded, ...] = ()
    authority: AuthorityState = NOBODY


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(TrimState)


def encode_state(state: TrimState) -> bytes:
    return _encoder.encode(state)


def decode_state(data: bytes) -> TrimState:
    """`IntegrityError` for anything else."""
    try:
        return _decoder.decode(data)
    except MALFORMED as error:
        raise IntegrityError(f"the state that a trim names does not read: {error}") from error
