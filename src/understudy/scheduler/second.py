"""How a machine's copy in a second vault is. Pure."""

import shlex

from understudy.engine import Failure, Health, Reason, ReplicationPolicy, Second
from understudy.engine.units import count, duration
from understudy.engine.values import Value
from understudy.scheduler.health import worst
from understudy.scheduler.pace import Thresholds, thresholds
from understudy.scheduler.retry import Kind

GRACE = 60.0


class SecondFacts(Value, frozen=True):
    """`second` None: the machine's policy names no second vault. `since`: for how many seconds the copy was looked after, `clearing`: why
    what may go there does not."""

    policy: ReplicationPolicy
    second: Second | None
    since: float = 0.0
    failure: Failure | None = None
    kind: Kind | None = None
    failures: int = 0
    clearing: str = ""
    verified_age: float | None = None
    """Seconds since the copy was verified, or since it is looked after and never was; None: not known yet."""


def second_thresholds(policy: ReplicationPolicy) -> Thresholds:
    """By how much the copy's newest point may be older than the vault's, in seconds: what the RPO allows twice, and a while to send it."""
    warning = 2 * thresholds(policy).warning + GRACE
    return Thresholds(warning, max(2.5 * warning, warning + 30))


def second_health(facts: SecondFacts) -> tuple[Health, tuple[Reason, ...]]:
    """The worst of the reasons, and they."""
    second, failure = facts.second, facts.failure
    if second is None:
        return "normal", ()
    reasons = []
    if failure is not None and (facts.failures > 1 or facts.kind is not Kind.PASSES):
        # Somebody is needed, or a fault of ours; what passes is critical when it has lasted too long.
        health: Health = "warning" if facts.kind in (Kind.PASSES, Kind.BUSY) else "critical"
        message = f"its second vault at {second.url} is not brought on: {failure.message}"
        reasons.append(Reason(code="second-failed", health=health, message=message, hint=failure.hint))
    warning, critical = second_thresholds(facts.policy)
    lag = second.lag_seconds
    hint = "it is being brought on" if failure is None else "it is not brought on: see there"
    if second.behind and lag is not None and lag > warning:
        message = f"its copy in the second vault is {count(second.behind, 'point')} behind, {duration(lag)}"
        reasons.append(Reason(code="second-late", health="critical" if lag > critical else "warning", message=message, hint=hint))
    elif lag is None and second.behind != 0 and facts.since > warning:
        what = "was not reached since the daemon began" if second.behind is None else "has none of its points yet"
        health = "critical" if facts.since > critical and failure is not None else "warning"
        message = f"its copy in the second vault {what}"
        reasons.append(Reason(code="second-late", health=health, message=message, hint=hint))
    if second.damage:
        verify = f"understudy vault copy verify {shlex.quote(second.url)}"
        hint = f"`{verify}` names all; what is deleted there is copied again; else make a new copy"
        message = f"its copy in the second vault is damaged: {second.damage}"
        reasons.append(Reason(code="second-damaged", health="critical", message=message, hint=hint))
    every, age = facts.policy.verify_every, facts.verified_age
    if every and age is not None and age > 2 * every + 3600:
        message = f"its copy in the second vault was verified {duration(age)} ago, and should be each {duration(every)}"
        reasons.append(Reason(code="second-unverified", health="warning", message=message, hint="`understudy events` says why it fails"))
    if facts.clearing:
        message = f"what may go from its copy in the second vault stays there: {facts.clearing}"
        reasons.append(Reason(code="second-clearing", health="normal", message=message))
    return worst([reason.health for reason in reasons]), tuple(reasons)
