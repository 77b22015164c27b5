"""A machine's health, as Hyper-V Replica shows it: Normal, Warning or Critical, with every reason and what to do."""

from collections.abc import Sequence

from understudy.engine import Failure, Health, Immutability, Reason, ReplicationPolicy
from understudy.engine.units import duration
from understudy.engine.values import Value
from understudy.scheduler.immutability import holding_reasons
from understudy.scheduler.pace import thresholds, too_long
from understudy.scheduler.retry import Kind

_ORDER: tuple[Health, ...] = ("normal", "warning", "critical")
MISSED_TOO_OFTEN = 3
DRILL_GRACE = 86400.0


class Facts(Value, frozen=True):
    """What is known of a machine now. Ages and durations in seconds; None: there is none yet."""

    name: str
    policy: ReplicationPolicy
    rpo: float | None
    followed_for: float
    """Since the daemon began to follow it, or it could first begin."""
    transfers: tuple[float, ...] = ()
    failure: Failure | None = None
    kind: Kind | None = None
    failures: int = 0
    missed_lately: int = 0
    closed: bool = False
    """A window allows nothing to be sent now."""
    waiting: bool = False
    """Its initial replication is to begin later."""
    downgrade: str = ""
    """Why the newest point that should be app-consistent is not."""
    resync: str = ""
    """Why the cycle that runs is a resynchronization."""
    verified_age: float | None = None
    can_verify: bool = True
    can_prune: bool = True
    has_retention: bool = False
    damage: str = ""
    """What the last verification found."""
    points: int = 0
    drilled_age: float | None = None
    """Of the last test failover that counts."""
    drill_failure: str = ""
    """What was wrong in it."""
    drill_stands: float | None = None
    """For how long one has stood on this host that nothing will end by itself."""
    doubt: str = ""
    """Why its own policy could not be read."""
    immutable: Immutability | None = None
    """How the locks of what its points need stood when they were last looked after; None: they were not yet."""
    immutable_left: float | None = None
    """For how long all of that is locked at least, from now on."""
    halted: Reason | None = None
    """Why it is not replicated from here now, though nothing is wrong with that."""


def health_of(facts: Facts) -> tuple[Health, tuple[Reason, ...]]:
    """The worst reason's; reasons that are normal are notes. The worst come first."""
    if facts.halted is not None:
        return facts.halted.health, (facts.halted,)
    reasons = [*_failing(facts), *_ageing(facts), *_pacing(facts), *_caring(facts), *_testing(facts), *_holding(facts)]
    reasons.sort(key=lambda reason: -_ORDER.index(reason.health))
    return worst([reason.health for reason in reasons]), tuple(reasons)


def worst(found: Sequence[Health]) -> Health:
    return max(found, key=_ORDER.index, default="normal")


def _failing(facts: Facts) -> list[Reason]:
    failure = facts.failure
    if failure is None:
        return []
    match facts.kind:
        case Kind.PASSES:
            often = "once" if facts.failures == 1 else f"{facts.failures} times in a row"
            # Once may happen, and is over with the next try.
            health: Health = "warning" if facts.failures > 1 else "normal"
            return [Reason(code=failure.code, health=health, message=f"failed {often}: {failure.message}", hint=failure.hint)]
        case Kind.BUSY:
            return [Reason(code=failure.code, health="warning", message=failure.message, hint=failure.hint or "end the other process")]
        case Kind.FAULT:
            hint = "the log has the traceback; it is tried again by itself"
            return [Reason(code="fault", health="critical", message=f"a fault in understudy: {failure.message}", hint=hint)]
        case Kind.OVER:
            hint = failure.hint or f"find out which host is the machine's primary; `understudy replicate {facts.name}` tries again"
            return [Reason(code=failure.code, health="critical", message=failure.message, hint=hint)]
    return [Reason(code=failure.code, health="critical", message=failure.message, hint=failure.hint)]


def _ageing(facts: Facts) -> list[Reason]:
    warning, critical = thresholds(facts.policy)
    if facts.policy.paused:
        return [
            Reason(
                code="paused",
                health="warning",
                message="an operator has paused replication",
                hint=f"`understudy policy set {facts.name} --resume` goes on",
            )
        ]
    if facts.waiting:
        return [Reason(code="initial-later", health="normal", message="the initial replication waits for its time")]
    if facts.rpo is None:
        if facts.followed_for > critical and facts.failure is not None:
            return [Reason(code="no-point", health="critical", message="there is no recovery point yet", hint=_late(facts, "critical"))]
        return [Reason(code="initial", health="warning", message="there is no recovery point yet: the initial replication is under way")]
    if facts.rpo <= warning:
        return []
    health: Health = "critical" if facts.rpo > critical and not facts.closed else "warning"
    why = " while a window forbids sending" if facts.closed else ""
    limit = critical if health == "critical" else warning
    message = f"the newest point is {duration(facts.rpo)} old, more than {duration(limit)}{why}"
    return [Reason(code="rpo", health=health, message=message, hint=_late(facts, health))]


def _late(facts: Facts, health: Health) -> str:
    if facts.failure is not None:
        # Whose reason is not as bad stands below this one; any other was read already.
        below = health == "critical" and facts.kind in (Kind.PASSES, Kind.BUSY)
        return f"its cycles fail: {facts.failure.message}" if below else "its cycles fail"
    return "the window's end, a longer threshold, or another window" if facts.closed else "see whether the vault or the host is too slow"


def _pacing(facts: Facts) -> list[Reason]:
    reasons = []
    warning = thresholds(facts.policy).warning
    if longest := too_long(facts.policy, facts.transfers):
        held = f"to hold an RPO of {duration(warning)} it must fit in {duration(warning / 2)}"
        reasons.append(
            Reason(
                code="transfer-too-long",
                health="warning",
                message=f"a transfer takes {duration(longest)}: {held}",
                hint="raise the rate, give the vault more bandwidth, or allow a longer RPO",
            )
        )
    if facts.missed_lately >= MISSED_TOO_OFTEN:
        reasons.append(
            Reason(
                code="missed",
                health="warning",
                message=f"{facts.missed_lately} of the last cycles that were due did not begin in time",
                hint="take longer intervals, or allow more cycles at once (limits.cycles)",
            )
        )
    return reasons


def _caring(facts: Facts) -> list[Reason]:
    reasons = []
    if facts.damage:
        hint = f"`understudy verify {facts.name} --all` tells which points can be trusted; the vault's storage loses what it was given"
        reasons.append(Reason(code="damage", health="critical", message=facts.damage, hint=hint))
    if facts.doubt:
        message = f"the host's default policy holds: {facts.doubt}"
        reasons.append(
            Reason(code="policy", health="critical", message=message, hint=f"`understudy policy set {facts.name}` writes it anew")
        )
    if facts.resync:
        hint = "the disks are read in full and compared; only what differs is sent, and older points stay"
        reasons.append(Reason(code="resynchronizing", health="warning", message=f"resynchronizing: {facts.resync}", hint=hint))
    if facts.downgrade:
        message = f"a point that should be app-consistent is crash-consistent only: {facts.downgrade}"
        reasons.append(Reason(code="downgrade", health="warning", message=message, hint="look at the guest agent and the hooks"))
    if facts.has_retention and not facts.can_prune:
        message = "points are not pruned from here: a source's key may not drop what it wrote"
        reasons.append(
            Reason(code="no-prune", health="normal", message=message, hint=f"`understudy prune {facts.name}` with an operator's key")
        )
    every = facts.policy.verify_every
    if every and facts.can_verify and facts.verified_age is not None and facts.verified_age > 2 * every + 3600:
        message = f"the newest verified point was proven {duration(facts.verified_age)} ago"
        reasons.append(
            Reason(code="unverified", health="warning", message=message, hint=f"`understudy verify {facts.name}`, or see why it fails")
        )
    return reasons


def _testing(facts: Facts) -> list[Reason]:
    reasons = []
    again = f"`understudy test-failover {facts.name} --cleanup`"
    age, every, limit = facts.drilled_age, facts.policy.drill_every, facts.policy.drill_warning
    if facts.drill_failure and age is not None:
        message = f"the last test failover, {duration(age)} ago, failed: {facts.drill_failure}"
        reasons.append(Reason(code="drill-failed", health="warning", message=message, hint=f"mend it, and test again: {again}"))
    if age is None and facts.points and facts.can_verify:
        reasons.append(Reason(code="never-tested", health="normal", message="no point was ever started in a test", hint=again))
    elif age is not None and limit and age > limit:
        message = f"its points were tested {duration(age)} ago, more than {duration(limit)}"
        reasons.append(Reason(code="untested", health="warning", message=message, hint=again))
    elif age is not None and every and age > 2 * every + DRILL_GRACE:
        message = f"its points were tested {duration(age)} ago, and should be each {duration(every)}"
        reasons.append(Reason(code="untested", health="warning", message=message, hint=f"`understudy drill list {facts.name}`; {again}"))
    if facts.drill_stands is not None and facts.drill_stands > DRILL_GRACE:
        message = f"a test failover has stood for {duration(facts.drill_stands)}: it holds its point, and takes this host's memory"
        reasons.append(Reason(code="drill-stands", health="warning", message=message, hint=f"`understudy drill cleanup {facts.name}`"))
    return reasons


def _holding(facts: Facts) -> list[Reason]:
    return holding_reasons(facts.policy.immutable, facts.immutable, facts.immutable_left)
