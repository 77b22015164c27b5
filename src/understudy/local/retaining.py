"""Policies, prunes and holds."""

import secrets
import time
from collections.abc import Sequence

from understudy import engine
from understudy.errors import Conflict, InvalidRequest, NotFound
from understudy.vault import kinds
from understudy.vault.groups import companions, instants
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.retention.decide import Circumstances, Decision, decide
from understudy.vault.vault import Vault

AT_ONCE = 2000
"""Points that one record drops: some 36 KiB of its 64."""
TRIES = 5


def retention_of(state: MachineState) -> engine.Retention:
    return engine.Retention(machine=state.name, policy=_policy(state.retention))


async def retention_set(log: MachineLog, request: engine.SetRetention) -> engine.Retention:
    policy = request.policy
    if policy.least < 1:
        raise InvalidRequest("a policy that may keep no point at all protects nothing", hint="the least number of points is 1 or more")
    await log.append(
        kinds.Retention(
            all_for=policy.all_for,
            hourly=policy.hourly,
            daily=policy.daily,
            weekly=policy.weekly,
            monthly=policy.monthly,
            least=policy.least,
        )
    )
    return retention_of(log.state)


async def pruned(vault: Vault, log: MachineLog, request: engine.Prune) -> engine.Pruned:
    """What other records say meanwhile is looked at right before each of ours: a point that became worth keeping stays."""
    for _ in range(TRIES):
        others = await _others(vault, log.state)
        decisions = decisions_on(log.state, others)
        shown = _shown(log.state, decisions, dry_run=request.dry_run)
        doomed = [decision.entry.point.id for decision in decisions if not decision.keep]
        if request.dry_run or not doomed:
            return shown

        def still(state: MachineState, doomed: Sequence[bytes] = doomed, others: Sequence[MachineState] = others) -> None:
            stay = {decision.entry.point.id for decision in decisions_on(state, others) if decision.keep}
            if stay.intersection(doomed):
                raise Conflict("points that were to be dropped are to be kept now", hint="prune again")

        try:
            for start in range(0, len(doomed), AT_ONCE):
                await log.append(kinds.Prune(points=tuple(doomed[start : start + AT_ONCE])), still)
        except Conflict as error:
            conflict = error
            continue
        return shown
    raise conflict


async def _others(vault: Vault, state: MachineState) -> list[MachineState]:
    """All machines that share a group's point with it, or with one that does. One that cannot be read might keep a point: it raises."""
    known, asked = {state.id: state}, {state.id}
    while more := frozenset[str]().union(*map(companions, known.values())) - asked:
        asked |= more
        known.update((other.id, other) for other in await vault.machines(more))
    return [other for other in known.values() if other.id != state.id]


def decisions_on(state: MachineState, others: Sequence[MachineState]) -> tuple[Decision, ...]:
    """Points of one instant stay while any machine of their group keeps its own."""
    whole = {bytes.fromhex(instant.id): instant.members for instant in instants([state, *others]) if instant.complete}
    wanted: dict[bytes, str] = {}
    for other in others:
        mine = {group for group, members in whole.items() if state.id in members and other.id in members}
        if mine:
            kept = (decision.entry.point.group for decision in _decide(other, whole, {}) if decision.keep)
            wanted.update((group, other.name) for group in kept if group in mine)
    return _decide(state, whole, wanted)


def _decide(state: MachineState, whole: dict[bytes, tuple[str, ...]], wanted: dict[bytes, str]) -> tuple[Decision, ...]:
    given = Circumstances(
        now=time.time_ns(),
        dropped=state.dropped.keys(),
        head=state.head,
        holds=state.holds,
        verified=state.verified.keys(),
        whole={group for group, members in whole.items() if state.id in members},
        wanted=wanted,
    )
    return decide(state.entries, state.retention, given)


def holds_of(state: MachineState) -> tuple[engine.Hold, ...]:
    numbers = {entry.point.id: entry.seq for entry in state.points}
    return tuple(
        engine.Hold(id=hold.id.hex(), machine=state.name, point=hold.point.hex(), number=numbers.get(hold.point, 0), reason=hold.reason)
        for hold in state.holds
    )


async def hold_added(log: MachineLog, request: engine.AddHold) -> engine.Hold:
    engine.checked_words("reason", request.reason)
    point = bytes.fromhex(request.point)
    if all(entry.point.id != point for entry in log.state.points):
        raise NotFound(f"machine {log.state.name!r} has no point {request.point}")
    hold = kinds.Hold(id=secrets.token_bytes(16), point=point, reason=request.reason)
    await log.append(hold)
    return next(shown for shown in holds_of(log.state) if shown.id == hold.id.hex())


async def hold_removed(log: MachineLog, request: engine.RemoveHold) -> engine.Hold:
    found = [hold for hold in holds_of(log.state) if request.hold and hold.id.startswith(request.hold.lower())]
    if len(found) != 1:
        what = f"{len(found)} holds of {log.state.name!r} begin" if found else f"no hold of {log.state.name!r} begins"
        raise (Conflict if found else NotFound)(f"{what} with {request.hold!r}", hint=f"`understudy hold list {log.state.name}` shows them")
    hold = found[0]
    await log.append(kinds.Hold(id=bytes.fromhex(hold.id), point=bytes.fromhex(hold.point), reason=hold.reason, lifted=True))
    return hold


def _policy(policy: kinds.Retention | None) -> engine.Policy | None:
    if policy is None:
        return None
    return engine.Policy(
        all_for=policy.all_for,
        hourly=policy.hourly,
        daily=policy.daily,
        weekly=policy.weekly,
        monthly=policy.monthly,
        least=policy.least,
    )


def _shown(state: MachineState, decisions: Sequence[Decision], *, dry_run: bool) -> engine.Pruned:
    points = tuple(
        engine.Decided(
            number=decision.entry.seq,
            id=decision.entry.point.id.hex(),
            frozen_at=decision.entry.point.frozen_at,
            keep=decision.keep,
            reasons=decision.reasons,
        )
        for decision in decisions
    )
    return engine.Pruned(machine=state.name, dry_run=dry_run, policy=_policy(state.retention), points=points)
