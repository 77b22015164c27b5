"""What is held against deletion, by whoever deletes."""

from understudy.engine.jobs import Failure
from understudy.engine.values import Value


class Immutability(Value, frozen=True):
    """How it stood when it was last looked after. Times are wall-clock ns; those of locks by the store's clock.

    `seconds`: what the policy wants. `until`: all that points up to record `head` of the log need is locked until then, at least; None:
    nothing is known to be. `first_seconds`: for how long the store locks every new object by its own rule; 0: until the next turn
    nothing holds it. `objects`: how many are held; `locked`: how many of these locks were made or renewed in the last turn.
    `wrong`: why nothing may be called immutable here, in words; `hint`: what to do about it. `covered`: how many locked objects somebody
    deleted or overwrote, which can be brought back; `lost`: how many are gone though they were locked; `names`: some of both.
    `failure`: of the last turn, if it failed; what is said of locks is from the one before then.
    """

    seconds: float
    at: int
    until: int | None = None
    head: int = 0
    first_seconds: float = 0.0
    objects: int = 0
    locked: int = 0
    wrong: tuple[str, ...] = ()
    hint: str = ""
    covered: int = 0
    lost: int = 0
    names: tuple[str, ...] = ()
    failure: Failure | None = None


class Uncover(Value, frozen=True):
    """Bring back what somebody deleted or overwrote. `everything`: also what no lock held when that happened, such as what was collected.
    `dry_run`: only say what there is."""

    everything: bool = False
    dry_run: bool = False


class Uncovered(Value, frozen=True):
    """`objects`: what there is in all. `found`: names of what was covered while it was locked, and came back; `unlocked`: of what was
    covered without a lock, and came back only if everything was to; `failed`: names, with the reason, of what did not. `doubt`: why
    there may be nothing to bring back, empty where the bucket keeps what is covered, and locks it."""

    objects: int
    dry_run: bool
    everything: bool
    found: tuple[str, ...]
    unlocked: tuple[str, ...]
    failed: dict[str, str]
    doubt: str = ""
