"""What a test failover is of, and what is said of it in the log. Pure."""

from understudy.engine import Checked, Drill
from understudy.engine.drills import LATEST, LATEST_APP
from understudy.errors import NotFound
from understudy.failover.health.subject import plain
from understudy.failover.phase import phase_of
from understudy.failover.table import must_be_allowed
from understudy.vault import kinds
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

_WORDS = 800


def chosen(state: MachineState, wanted: str) -> PointEntry:
    """`wanted`: as in StartDrill, but that of a standby image. `NotFound` if there is no such point; `Conflict` as long as there can be
    none."""
    must_be_allowed("test", state.name, phase_of(state), state.site, primary=False)
    newest_first = tuple(reversed(state.points))
    if not newest_first:
        raise NotFound(f"{state.name} has no point yet", hint="replicate it first")
    if wanted == LATEST:
        return newest_first[0]
    if wanted == LATEST_APP:
        for entry in newest_first:
            if entry.point.consistency == "app":
                return entry
        raise NotFound(
            f"{state.name} has no app-consistent point", hint="make some (`understudy policy set --app-every`), or test the latest"
        )
    for entry in newest_first:
        if entry.point.id.hex() == wanted:
            return entry
    raise NotFound(f"{state.name} has no point {wanted!r}", hint=f"`understudy points {state.name}` lists them")


def body_of(drill: Drill) -> kinds.Drill:
    """What the machine's log keeps of a test with an outcome."""
    return kinds.Drill(
        id=bytes.fromhex(drill.id),
        point=bytes.fromhex(drill.point),
        site=drill.site,
        began_at=drill.asked_at,
        seconds=drill.running_after or 0.0,
        outcome=drill.outcome,
        checks=summary(drill.checks, drill.failure.message if drill.failure else ""),
        note=plain(drill.note, _WORDS),
    )


def summary(checks: tuple[Checked, ...], failure: str = "") -> str:
    """In words; the failed ones with why."""
    told = [check.what if check.outcome == "passed" else f"{check.what} failed: {check.words}" for check in checks]
    return plain("; ".join([*([f"it did not start: {failure}"] if failure else []), *told]), _WORDS)
