"""Programs of the operator's that are run before and after a freeze, for what quiesces itself only when told to."""

import os
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import InvalidRequest
from understudy.programs import ended
from understudy.qemu.agent_freeze import words

PATIENCE = 30.0
"""Seconds for a hook; then its whole process group is killed."""
TAIL = 400
"""Characters of what a failed hook said."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a hook is told by its environment."""

    machine: str
    """Its id."""
    name: str
    point: str
    phase: str
    """pre or post."""
    outcome: str = ""
    """Of a post hook: `app` or `crash` (how consistent the point is), `failed` (there is none), `interrupted` (not known: the process
    that ran the pre hook was killed)."""


def checked(hook: Path) -> None:
    """InvalidRequest unless this can be run."""
    if not hook.is_absolute():
        raise InvalidRequest(f"the hook {hook} is no absolute path", hint="name hooks by absolute paths")
    # Unlike Path.is_file, which raises for a name that is longer than any.
    if not os.path.isfile(hook) or not os.access(hook, os.X_OK):
        raise InvalidRequest(f"the hook {hook} cannot be run", hint="it must be an executable file: chmod +x")


async def run_hook(hook: Path, occasion: Occasion, patience: float = PATIENCE) -> str:
    """Why it failed; empty if it did not. Cancelled, it is killed first."""
    told = {
        "UNDERSTUDY_MACHINE": occasion.machine,
        "UNDERSTUDY_MACHINE_NAME": occasion.name,
        "UNDERSTUDY_POINT": occasion.point,
        "UNDERSTUDY_PHASE": occasion.phase,
        "UNDERSTUDY_OUTCOME": occasion.outcome,
    }
    which = f"the {occasion.phase}-hook {hook}"
    try:
        # What it leaves running is for its other half, or its own.
        done = await ended((hook,), told, patience, spare_rest=True)
    except TimeoutError:
        return f"{which} took more than {patience:g} s"
    except OSError as error:
        return f"{which} could not be run: {error.strerror}"
    if done.status == 0:
        return ""
    said = words(" ".join(done.said[-TAIL:].split()))
    return f"{which} ended with {done.how}: {said}".removesuffix(": ")
