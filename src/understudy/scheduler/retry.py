"""What a failed cycle means: try again, wait for somebody else, or ask for a person."""

from enum import Enum
from typing import NamedTuple

from understudy.errors import Busy, Fenced, SecondWriter, UnderstudyError

FIRST = 0.5
LONGEST = 60.0
BUSY = 10.0
RARELY = 300.0
FAULT_FIRST = 10.0


class Kind(Enum):
    """`PASSES`: it may go away by itself. `BUSY`: another process has the machine. `PERSON`: somebody must act. `OVER`: nothing may be
    tried until somebody does. `FAULT`: an error in this program."""

    PASSES = "passes"
    BUSY = "busy"
    PERSON = "person"
    OVER = "over"
    FAULT = "fault"


class Verdict(NamedTuple):
    """`seconds` until the next try; None: none."""

    kind: Kind
    seconds: float | None


def judge(error: BaseException, failures: int, chance: float) -> Verdict:
    """`failures` in a row, this one included; `chance` in [0, 1) spreads the tries of many machines."""
    spread = 0.5 + chance / 2
    doubled = 2.0 ** min(failures - 1, 32)
    match error:
        case Fenced() | SecondWriter():
            return Verdict(Kind.OVER, None)
        case Busy():
            return Verdict(Kind.BUSY, BUSY * spread)
        case UnderstudyError(retryable=True):
            return Verdict(Kind.PASSES, min(FIRST * doubled, LONGEST) * spread)
        case UnderstudyError():
            return Verdict(Kind.PERSON, RARELY * spread)
    return Verdict(Kind.FAULT, min(FAULT_FIRST * doubled, RARELY) * spread)
