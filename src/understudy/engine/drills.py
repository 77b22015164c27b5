"""Test failovers: a copy of a point is started beside its machine, looked at, and removed again."""

from typing import Literal, TypeAlias

from understudy.engine.checks import Check, Checked
from understudy.engine.jobs import Failure
from understudy.engine.values import Value, checked_words
from understudy.errors import InvalidRequest

DrillNetwork: TypeAlias = Literal["isolated", "mapped"]
DrillState: TypeAlias = Literal["starting", "checking", "standing", "cleaning", "cleaned"]
DrillOutcome: TypeAlias = Literal["", "passed", "failed"]
LATEST, LATEST_APP, LATEST_PROCESSED = "latest", "latest-app", "latest-processed"
LONGEST_KEPT = 30 * 86400.0


class StartDrill(Value, frozen=True):
    """Start a copy of a point with an identity of its own while replication goes on.

    point: an id, or `latest`, `latest-app` (the newest app-consistent one) or `latest-processed` (that of the standby image).
    network: reached by nobody, or what this site maps to its test networks. checks: in the place of the machine's own; no scripts.
    cleanup: remove it at once. keep_for: or after so many seconds; 0: when somebody says so.
    """

    machine: str
    point: str = LATEST
    network: DrillNetwork = "isolated"
    checks: tuple[Check, ...] | None = None
    cleanup: bool = False
    keep_for: float = 0.0
    note: str = ""


class CleanUpDrill(Value, frozen=True):
    """Remove what a test failover started. `drill`: its id or how that begins, empty: the machine's only one. `passed`: what an operator
    says of it; None: what its checks say."""

    machine: str
    drill: str = ""
    passed: bool | None = None
    note: str = ""


class DrillStep(Value, frozen=True):
    """What had happened `seconds` after the test was asked for."""

    what: str
    seconds: float


class Drill(Value, frozen=True):
    """One test failover. It counts, as a record in the machine's log, once it is cleaned and has an outcome.

    running_after: seconds until its guest ran; None: it did not (yet). forwards: (port of 127.0.0.1, port of the guest).
    definition: as it was started, in TOML. keep_until: wall-clock ns at which it is removed by itself.
    """

    id: str
    machine: str
    machine_id: str
    point: str
    number: int
    frozen_at: int
    consistency: str
    site: str
    network: DrillNetwork
    state: DrillState
    asked_at: int
    outcome: DrillOutcome = ""
    running_after: float | None = None
    steps: tuple[DrillStep, ...] = ()
    checks: tuple[Checked, ...] = ()
    findings: tuple[str, ...] = ()
    forwards: tuple[tuple[int, int], ...] = ()
    definition: str = ""
    picture: Literal["", "png", "text"] = ""
    failure: Failure | None = None
    note: str = ""
    keep_until: int | None = None
    ended_at: int | None = None


class Evidence(Value, frozen=True):
    """What a test failover left to look at. `picture`: a PNG, or the end of the console's text where there is no screen."""

    kind: Literal["", "png", "text"]
    picture: bytes
    console: str


def checked_drill(request: StartDrill) -> StartDrill:
    if not 0 <= request.keep_for <= LONGEST_KEPT:
        raise InvalidRequest(f"a test is not kept for {request.keep_for:g} s", hint="at most 30 days; 0: until it is cleaned up")
    if request.cleanup and request.keep_for:
        raise InvalidRequest("a test that is cleaned up at once is not kept", hint="say one of the two")
    if request.note:
        checked_words("note", request.note)
    return request
