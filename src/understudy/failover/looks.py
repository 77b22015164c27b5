"""What is said of a start here. Pure."""

from understudy.engine import Look
from understudy.engine.units import duration
from understudy.hypervisor.protocol import Finding
from understudy.local.standby.lending import Lent
from understudy.vault.log.authority import UNPLANNED
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

_VAULT = "it starts from the vault"


def about_standby(entry: PointEntry, lent: Lent, why: str) -> tuple[Look, ...]:
    """`why`: what kept it from being brought to the point; empty: nothing."""
    if lent.images:
        return (Look(what="standby", verdict="pass", words=f"it starts from this site's standby image, at point {entry.seq}"),)
    words = why or lent.words
    return (Look(what="standby", verdict="warn", words=f"{words}; {_VAULT}"),) if words else ()


def about_point(entry: PointEntry, state: MachineState, mode: str) -> tuple[Look, ...]:
    """What is not in a point that an unplanned failover goes on from, though the vault has it."""
    newest = state.newest
    if mode != UNPLANNED or newest is None or newest.seq <= entry.seq:
        return ()
    later = duration((newest.point.frozen_at - entry.point.frozen_at) / 1e9)
    words = f"point {entry.seq} is not the newest: {newest.seq} was frozen {later} later, and what was written between is not in it"
    hint = f"until the commit it can be had: understudy failover change-point {state.name}@{newest.seq}"
    return (Look(what="point", verdict="warn", words=words, hint=hint),)


def look_of(finding: Finding) -> Look:
    return Look(what=finding.what, verdict=finding.verdict, words=finding.words, hint=finding.hint)
