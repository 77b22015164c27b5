"""What the vault's settings log says: whose signatures count, and which recovery plans there are. A fold over its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from understudy.errors import Conflict, IntegrityError
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Role
from understudy.vault.log.judge import Record, Standing, Void, judge
from understudy.vault.log.record import Opened
from understudy.vault.log.rights import Log


@dataclass(frozen=True, slots=True)
class Member:
    """An identity. `revoked`: the last records, by machine id, that it may have signed; None while it is trusted."""

    public: bytes
    role: Role
    name: str
    revoked: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What record `seq` put there, `at` its writer's wall clock (ns), signed by the key named `by`."""

    seq: int
    at: int
    by: str
    body: kinds.Plan | kinds.PlanReport


@dataclass(frozen=True, slots=True)
class Promoted:
    """What record `seq`, whose hash is `hash`, says of a copy (its `id`) that became the vault. `at`: wall clock, ns; `key`: its signer's,
    `by`: whose that is."""

    seq: int
    hash: bytes
    at: int
    key: bytes
    by: str
    id: bytes
    heads: tuple[kinds.LogEnd, ...]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A copy (its `promotion`) became the vault in the place of this one. `at`: wall clock, ns; `where`: its address then."""

    at: int
    by: str
    promotion: bytes
    where: str


@dataclass(frozen=True, slots=True)
class Settings:
    """`members` by public key. `revision` changes whenever anybody's standing does."""

    root: bytes
    descriptor: bytes = b""
    recovery_public: bytes = b""
    recovery_generation: int = 0
    members: Mapping[bytes, Member] = field(default_factory=dict)
    revision: int = 0
    plans: Mapping[str, Kept] = field(default_factory=dict)
    """By name; those that there are."""
    reports: Mapping[str, Kept] = field(default_factory=dict)
    """Of runs of plans, by the run's id, oldest first; of several that claim one run the first counts."""
    promotions: tuple[Promoted, ...] = ()
    """Oldest first."""
    given_up: GivenUp | None = None
    void: tuple[Void, ...] = ()
    gapped: bool = False
    """Read past damage, for restoring: a signer that no record names may be one that a lost record named."""

    def active(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members.values() if member.revoked is None)

    def revoked(self) -> frozenset[str]:
        """Public keys, in hex, that sign nothing any more."""
        return frozenset(member.public.hex() for member in self.members.values() if member.revoked is not None)

    def in_machine(self, machine_id: str, signer: bytes, seq: int) -> Standing:
        """What a signature under record `seq` of a machine's log is worth."""
        member = self.members.get(signer)
        if member is None and self.gapped:
            return Standing("source")  # the lesser role; it held the index key at least
        if member is None:
            return Standing(None, "its signer is unknown to this vault")
        if member.revoked is not None and seq > member.revoked.get(machine_id, 0):
            return Standing(None, f"the key of {member.role} {member.name!r} was revoked")
        return Standing(member.role)

    def in_settings(self, signer: bytes, seq: int) -> Standing:
        """The same for the settings log itself, whose own order says what came before a revocation."""
        if seq == 1:
            return Standing("operator") if signer == self.root else Standing(None, "it is not signed by the vault's root key")
        member = self.members.get(signer)
        if member is None:
            return Standing(None, "its signer is unknown to this vault")
        if member.revoked is not None:
            return Standing(None, f"the key of {member.role} {member.name!r} was revoked")
        return Standing(member.role)


def step(settings: Settings, opened: Opened) -> tuple[Settings, Record]:
    """The settings after one more record. `IntegrityError` if the log does not begin with the genesis of `settings.root`."""
    record = judge(opened, names.SETTINGS, Log.SETTINGS, settings.in_settings)
    if opened.seq == 1 and not isinstance(record.body, kinds.Genesis):
        raise IntegrityError(
            "this vault's settings do not begin with the record that its root key has signed",
            hint="somebody exchanged the settings log; use an untouched copy of the vault",
        )
    match record.body:
        case kinds.Genesis() as genesis if opened.seq == 1:
            first = Member(genesis.root, "operator", genesis.name)
            return (
                replace(
                    settings,
                    descriptor=genesis.descriptor,
                    recovery_public=genesis.recovery_public,
                    recovery_generation=genesis.recovery_generation,
                    members={genesis.root: first},
                    revision=1,
                ),
                record,
            )
        case kinds.Genesis():
            return _void(settings, record, "only the first record is a genesis")
        case kinds.Identity(public=public, role="source" | "operator" as role, name=name):
            if public in settings.members:
                return _void(settings, record, "this key is known already")
            member = Member(public, role, name)
            return replace(settings, members={**settings.members, public: member}, revision=settings.revision + 1), record
        case kinds.Identity():
            return _void(settings, record, "there is no such role")
        case kinds.Revoke(public=public, heads=heads):
            known = settings.members.get(public)
            if known is None or known.revoked is not None:
                return _void(settings, record, "there is no such key to revoke")
            gone = replace(known, revoked={head.machine.hex(): head.seq for head in heads})
            return replace(settings, members={**settings.members, public: gone}, revision=settings.revision + 1), record
        case kinds.Promotion(id=id_, heads=ends):
            if settings.given_up is not None or any(promoted.id == id_ for promoted in settings.promotions):
                return _void(settings, record, "this copy was promoted before, or its vault given up for another")
            promoted = Promoted(record.seq, record.hash, record.at, record.signer, _who(settings, record), id_, ends)
            return replace(settings, promotions=(*settings.promotions, promoted)), record
        case kinds.Superseded(promotion=promotion, where=where):
            if settings.given_up is not None or any(promoted.id == promotion for promoted in settings.promotions):
                return _void(settings, record, "this vault was given up before, or is the copy that was promoted")
            return replace(settings, given_up=GivenUp(record.at, _who(settings, record), promotion, where)), record
        case kinds.Plan(name=name, text=text) as plan:
            others = {other: kept for other, kept in settings.plans.items() if other != name}
            kept = {} if text is None else {name: _kept(settings, record, plan)}
            return replace(settings, plans={**others, **kept}), record
        case kinds.PlanReport(run=run) as report:
            if run in settings.reports:
                return _void(settings, record, "this run has a report already")
            return replace(settings, reports={**settings.reports, run: _kept(settings, record, report)}), record
    if record.void:
        return _void(settings, record, record.void)
    return settings, record


def _kept(settings: Settings, record: Record, body: kinds.Plan | kinds.PlanReport) -> Kept:
    return Kept(record.seq, record.at, _who(settings, record), body)


def _who(settings: Settings, record: Record) -> str:
    member = settings.members.get(record.signer)
    return member.name if member else ""


def _void(settings: Settings, record: Record, reason: str) -> tuple[Settings, Record]:
    return replace(settings, void=(*settings.void, Void(record.seq, record.kind, reason))), replace(record, body=None, void=reason)


def must_take_records(settings: Settings, copy: str) -> None:
    """`Conflict` if nothing may be appended to the vault with these settings. `copy`: the id of the copy that it is, in hex, or empty."""
    gone = settings.given_up
    if gone is not None:
        day = datetime.fromtimestamp(gone.at / 1e9, UTC).strftime("%Y-%m-%d %H:%M")
        raise Conflict(
            f"this vault was given up on {day} UTC, when {gone.by!r} promoted its copy {gone.promotion.hex()}: nothing is appended to it",
            hint=f"name the promoted one as the vault: {gone.where}" if gone.where else "name the promoted one as the vault",
        )
    if copy and copy not in {promoted.id.hex() for promoted in settings.promotions}:
        raise Conflict(
            "this is a copy of the vault, to which nothing is appended",
            hint="name the vault that it is a copy of. If that is lost: understudy vault promote; points can be restored from here anyway",
        )
