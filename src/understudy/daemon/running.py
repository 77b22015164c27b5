"""What one run of the daemon consists of: for those that serve it and look after it."""

from dataclasses import dataclass, field

from understudy.config.values import Config
from understudy.daemon.drilling import Drilling
from understudy.daemon.failing_over import FailingOver
from understudy.daemon.machines import Machines
from understudy.daemon.plans import Plans
from understudy.daemon.pulse import Pulse
from understudy.daemon.readiness import ReadinessUpkeep
from understudy.daemon.runner import Runner
from understudy.daemon.runs_here import RunsHere
from understudy.daemon.seconds import Seconds
from understudy.daemon.served import ServedEngine
from understudy.daemon.slots import Slots
from understudy.daemon.stand_in import StandIn
from understudy.daemon.standbys import Standbys
from understudy.engine import VaultPlace
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal


@dataclass(slots=True)
class Condition:
    """What is wrong with the daemon as a whole. `vault`: why it cannot be opened."""

    config: Config
    started_at: int
    vault_id: str = ""
    vault: UnderstudyError | None = None
    place: VaultPlace = field(default_factory=VaultPlace)
    unread: int = 0
    """Machines that this host follows, as long as the vault was never read since the start."""
    reload: str = ""
    restart: str = ""
    """What of the file holds after a restart alone."""
    fault: str = ""
    """Why upkeep broke the last time."""
    tests: tuple[UnderstudyError, ...] = ()
    """Why records of test failovers cannot be read."""


@dataclass(frozen=True, slots=True)
class Running:
    """Its parts, made once and joined."""

    condition: Condition
    engine: ServedEngine
    machines: Machines
    runner: Runner
    plans: Plans
    journal: Journal
    slots: Slots
    pulse: Pulse
    stand_in: StandIn
    readiness: ReadinessUpkeep
    failing_over: FailingOver
    drilling: Drilling
    standbys: Standbys
    seconds: Seconds
    runs_here: RunsHere
