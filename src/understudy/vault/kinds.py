"""Bodies of the log's records: one typed struct a kind, encoded as deterministic MessagePack with unknown fields ignored."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from understudy.vault.body import Body, Count, DiskName, Hash, Id, ObjectRef, PublicKey, Words
from understudy.vault.kinds_of_authority import Answer, Commit, Failover, Isolation, Request, StandDown, Withdraw
from understudy.vault.kinds_of_copies import LogEnd, Promotion, Superseded

__all__ = ["LogEnd", "Promotion", "Superseded"]
__all__ += ["Answer", "Body", "Commit", "Count", "DiskName", "Failover", "Hash", "Id", "Isolation", "ObjectRef", "PublicKey"]
__all__ += ["Request", "StandDown", "Withdraw", "Words"]


class PackRef(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that a point's frames live in: its random id, stored length, and the hash that it ends with."""

    id: Id
    size: Count
    hash: Hash


class PointDisk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk of a point. `id` (16 bytes) stays the same for a machine's disk of one name."""

    id: Id
    name: DiskName
    size: Count
    sector: Count
    digest: Id
    """The disk digest after this point, 16 bytes big-endian."""


class PointStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a cycle did, in blocks and bytes."""

    scanned: Count = 0
    """Blocks that change tracking or the scan named as possibly changed."""
    changed: Count = 0
    """Blocks whose signature differed."""
    zero: Count = 0
    """Of these, blocks that are zero now."""
    stored: Count = 0
    """Bytes of packs written for it, inline ones included."""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.0
    """From the freeze to just before the append."""


class Protect(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Opens a machine's log: epoch 1 begins."""

    kind: ClassVar[str] = "protect"
    name: Words
    site: Words


class Claim(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A daemon's start: from here on this record's writer, and no other, appends points in this epoch."""

    kind: ClassVar[str] = "claim"
    site: Words


class Point(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A recovery point: exists when this record does. All packs named here are durable."""

    kind: ClassVar[str] = "point"
    id: Id
    parent: bytes
    """The point on whose map this one's frames are laid; empty for a base."""
    generation: Id
    frozen_at: Count
    consistency: Words
    method: Words
    cause: Words
    """initial, delta or resync."""
    reason: Words = ""
    downgrade: Words = ""
    """Why it is crash-consistent only, where app-consistent was asked for."""
    group: bytes = b""
    """Points of several machines with the same group id (16 bytes) were frozen at one instant; empty for none."""
    group_name: Words = ""
    """What the group was called where it was frozen."""
    members: tuple[Id, ...] = ()
    """The machines of that group, this one included."""
    disks: tuple[PointDisk, ...]
    packs: tuple[PackRef, ...] = ()
    packs_in: ObjectRef | None = None
    """A side object with more PackRefs, where they are too many for the record."""
    inline: bytes = b""
    """A whole pack small enough to travel in the record; its id is in its header."""
    definition: ObjectRef | None = None
    final: bool = False
    """The machine was shut down before: nothing of it has run since, and its source appends no more points until it takes this back."""
    stats: PointStats = PointStats()


class Checkpoint(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A shortcut for reading: the extent maps of `point`, whole. Never evidence that anything is dead."""

    kind: ClassVar[str] = "checkpoint"
    skippable: ClassVar[bool] = True
    point: Id
    id: Id
    size: Count
    directory: tuple[Count, Count]
    """Offset and length of the sealed directory in the checkpoint object."""
    hash: bytes = b""
    """BLAKE2b-256 of the sealed directory, which carries the hashes of its pages; empty in vaults of the first version."""
    repack: Count = 0
    """The newest repack that its maker knew of, by its record's number: if there is a newer one, this is built on what is void."""


class Hold(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A point (and what it needs) must stay, whatever a policy says, until the hold of this id is lifted."""

    kind: ClassVar[str] = "hold"
    id: Id
    point: Id
    reason: Words
    lifted: bool = False


class Verified(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Every disk of this point was read, decrypted and held against its digest."""

    kind: ClassVar[str] = "verified"
    skippable: ClassVar[bool] = True
    point: Id


class Drill(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A copy of `point` was started at `site`, looked at, and is gone again."""

    kind: ClassVar[str] = "drill"
    skippable: ClassVar[bool] = True
    id: Id
    point: Id
    site: Words
    began_at: Count
    """When it was asked for: the operator's wall clock, ns."""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    """From there until its guest ran; 0: it never did."""
    outcome: Words
    """passed or failed."""
    checks: Words = ""
    """What was looked at, and what came of it."""
    note: Words = ""


class Retention(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Which points pruning keeps from now on. Seconds and numbers; what else stays is in vault/retention."""

    kind: ClassVar[str] = "retention"
    all_for: Count = 0
    """Every point younger than this, counted from the newest."""
    hourly: Count = 0
    daily: Count = 0
    weekly: Count = 0
    monthly: Count = 0
    least: Count = 1
    """Never fewer points than this."""


class Prune(Body, frozen=True, kw_only=True, omit_defaults=True):
    """These points are dropped: not offered any more. What they hold stays for as long as kept points are laid on it."""

    kind: ClassVar[str] = "prune"
    points: tuple[Id, ...]


class Repack(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The maps of every kept point up to record `horizon`, and of those that later points are laid on, made from footers by an operator:
    from here on they are the truth about these points, every older checkpoint is void, and no other point up to the horizon is needed."""

    kind: ClassVar[str] = "repack"
    horizon: Count
    maps: ObjectRef
    """A side object (log/lists.py) with a Checkpoint for each of these points."""


class Condemn(Body, frozen=True, kw_only=True, omit_defaults=True):
    """No point needs these objects: no later record may name them, and they are deleted when `grace` seconds have passed."""

    kind: ClassVar[str] = "condemn"
    objects: ObjectRef
    """A side object (log/lists.py) with their names."""
    grace: Count


class Trim(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Records after the first up to `up_to` are deleted when `grace` seconds have passed: `state` is a side object (log/trim_state.py)
    with the fold of them, `hash` the hash of the last, on which the next one is chained."""

    kind: ClassVar[str] = "trim"
    up_to: Count
    hash: Hash
    state: ObjectRef
    grace: Count = 0


class Intent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An initial replication is under way: packs that no point names yet are not garbage. It ends with the next point."""

    kind: ClassVar[str] = "intent"
    id: Id


class Definition(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The machine's shape changed between two points."""

    kind: ClassVar[str] = "definition"
    definition: ObjectRef


class Note(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Words for a person; changes nothing."""

    kind: ClassVar[str] = "note"
    skippable: ClassVar[bool] = True
    text: Words


class Genesis(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Opens the settings log: everything that may be trusted in this vault follows from here. Signed by `root`."""

    kind: ClassVar[str] = "genesis"
    descriptor: Hash
    """BLAKE2b-256 of the descriptor object."""
    root: PublicKey
    """The first operator's signing key."""
    name: Words
    """That operator's name."""
    recovery_public: PublicKey
    recovery_generation: Count


class Identity(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Records signed by `public` count from now on, as far as `role` (source or operator) allows."""

    kind: ClassVar[str] = "identity"
    public: PublicKey
    role: Words
    name: Words


class SignedUpTo(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of one machine's log that a revoked key may have signed."""

    machine: Id
    seq: Count


class Revoke(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Records signed by `public` count no more, but for those up to `heads`; of a machine not named there, none."""

    kind: ClassVar[str] = "revoke"
    public: PublicKey
    heads: tuple[SignedUpTo, ...] = ()


class Plan(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A recovery plan of this name, instead of any before. `text`: a side object with it, in TOML; none: there is no such plan any more."""

    kind: ClassVar[str] = "plan"
    skippable: ClassVar[bool] = True
    name: Words
    text: ObjectRef | None = None


class PlanReport(Body, frozen=True, kw_only=True, omit_defaults=True):
    """How a run of a plan ended. `report`: a side object with all of it, in JSON."""

    kind: ClassVar[str] = "plan-report"
    skippable: ClassVar[bool] = True
    run: Words
    plan: Words
    outcome: Words
    report: ObjectRef


def refs_of(body: Body) -> tuple[ObjectRef, ...]:
    """The side objects that a record names, whatever its kind."""
    values = (getattr(body, name) for name in body.__struct_fields__)
    return tuple(value for value in values if isinstance(value, ObjectRef))


BODIES: Mapping[str, type[Body]] = {
    body.kind: body
    for body in (
        *(Protect, Claim, Point, Checkpoint, Intent, Hold, Verified, Drill, Failover, Definition, Note),
        *(Retention, Prune, Repack, Condemn, Trim),
        *(Commit, Request, Answer, Withdraw, Isolation, StandDown),
        *(Genesis, Identity, Revoke, Plan, PlanReport),
        *(Promotion, Superseded),
    )
}
