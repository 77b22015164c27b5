"""What a vault holds of consistency groups, and restoring an instant's machines together."""

import time
from collections.abc import Iterable, Sequence

from understudy import engine
from understudy.errors import Conflict, NotFound
from understudy.local.recovering import restored
from understudy.local.views import point_of
from understudy.vault import groups
from understudy.vault.groups import Instant
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault


async def instants_of(vault: Vault) -> tuple[engine.Instant, ...]:
    """Oldest first."""
    states = await vault.machines()
    return tuple(_shown(instant, states) for instant in groups.instants(states))


async def bindings(vault: Vault, state: MachineState) -> dict[str, engine.PointGroup]:
    """By a point's id what it is bound to. Other machines' logs are read only if there is something to know of them."""
    companions = groups.companions(state)
    if not companions and not any(entry.point.group for entry in state.points):
        return {}
    # Who cannot be read has no point that could be vouched for.
    states = [state, *(await vault.readable(companions))]
    names = _names(states)
    return {
        instant.points[state.id].point.id.hex(): engine.PointGroup(
            instant=instant.id, name=instant.name, missing=tuple(names.get(machine, machine) for machine in instant.missing)
        )
        for instant in groups.instants(states)
        if state.id in instant.points
    }


async def group_restored(
    vault: Vault, instants: Iterable[engine.Instant], request: engine.RestoreGroup, progress: engine.OnProgress
) -> engine.GroupRestored:
    """One machine after the other; killed or failed in between, it may be said again and goes on."""
    began = time.monotonic()
    instant = next((instant for instant in instants if instant.id == request.instant), None)
    if instant is None:
        raise NotFound(f"no point of this vault belongs to an instant {request.instant}")
    lacking = [member.name for member in instant.members if member.point is None]
    if lacking:
        raise Conflict(
            f"instant {instant.id[:8]} of group {instant.group!r} is incomplete: it has no point of {', '.join(lacking)}",
            hint="the points that there are can be restored one by one, and need not fit together",
        )
    done = []
    for member in instant.members:
        assert member.point is not None
        wanted = engine.Restore(
            machine=member.machine,
            point=member.point.id,
            format=request.format,
            targets=request.targets.get(member.machine, {}),
            overwrite=request.overwrite,
        )
        done.append(await restored(vault, await vault.find(member.machine), wanted, _of(member.name, progress)))
    return engine.GroupRestored(instant=instant, seconds=time.monotonic() - began, machines=tuple(done))


def _of(name: str, progress: engine.OnProgress) -> engine.OnProgress:
    def tell(now: engine.Progress) -> None:
        progress(engine.Progress(phase=f"{name}: {now.phase}", done=now.done, total=now.total))

    return tell


def _shown(instant: Instant, states: Sequence[MachineState]) -> engine.Instant:
    known = {state.id: state for state in states}
    members = tuple(
        engine.InstantMember(
            machine=machine,
            name=known[machine].name if machine in known else machine,
            point=point_of(entry, known[machine]) if (entry := instant.points.get(machine)) else None,
        )
        for machine in instant.members
    )
    by_name = tuple(sorted(members, key=lambda member: member.name))
    return engine.Instant(id=instant.id, group=instant.name, frozen_at=instant.frozen_at, complete=instant.complete, members=by_name)


def _names(states: Iterable[MachineState]) -> dict[str, str]:
    return {state.id: state.name for state in states}
