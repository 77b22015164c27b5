"""Asking a guest to end, ever less politely. Each way is bounded, and what came of it is told."""

import asyncio
import contextlib
from typing import Literal

from understudy.errors import SourceRefused, SourceUnavailable
from understudy.finish import finish
from understudy.hypervisor.protocol import Patience, State, Status, Step
from understudy.hypervisor.qemu.console import drained
from understudy.hypervisor.qemu.process import RunProcess
from understudy.qemu.agent import AgentSilent, GuestAgent
from understudy.qemu.power import PRESSED_EACH

ANSWERS = 5.0
"""Seconds in which an agent that is there answers."""
POLL = 0.2

BY_GUEST = "shut down by its guest"
FORCED = "ended by force: its guest did not shut down"


async def shut_down(process: RunProcess, patience: Patience) -> list[Step]:
    """Afterwards there is no process. Empty if there was none, or the guest had shut down by itself."""
    steps: list[Step] = []
    state = await process.state()
    if not state.alive:
        return steps
    for way, limit in (("agent", patience.agent), ("acpi", patience.acpi)):
        if limit and state.status is not Status.SHUT_DOWN and state.alive:
            step, state = await _try(process, "agent" if way == "agent" else "acpi", limit, state)
            steps.append(step)
    orderly = state.status is Status.SHUT_DOWN
    begun = _now()
    if state.alive:
        with contextlib.suppress(SourceUnavailable):
            await drained(process.places)
        await finish(process.end(BY_GUEST if orderly else FORCED))
    if not orderly and state.alive:
        steps.append(Step("force", "its process was ended", _now() - begun, True))
    return steps


async def _try(process: RunProcess, way: Literal["agent", "acpi"], limit: float, state: State) -> tuple[Step, State]:
    begun = _now()
    if state.status is not Status.RUNNING:
        return Step(way, f"its guest cannot hear: {state.status.value}", 0.0, False), state
    refusal, pressed = await (_ask_agent(process) if way == "agent" else _press_button(process)), begun
    while not refusal and _now() - begun < limit:
        state = await process.state()
        if state.status is not Status.RUNNING:
            break
        if way == "acpi" and _now() - pressed >= PRESSED_EACH:
            await _press_button(process)
            pressed = _now()
        await asyncio.sleep(POLL)
    worked = state.status is Status.SHUT_DOWN
    outcome = BY_GUEST if worked else refusal or (f"not within {limit:g} s" if state.status is Status.RUNNING else state.status.value)
    return Step(way, outcome, _now() - begun, worked), state


async def _ask_agent(process: RunProcess) -> str:
    """Why it did not take it; empty if it may have."""
    try:
        agent = GuestAgent.connect(str(process.places.agent))
    except SourceUnavailable as error:
        return error.message
    try:
        await agent.execute("guest-ping", ANSWERS)
        # It answers only if it cannot.
        with contextlib.suppress(AgentSilent):
            await agent.execute("guest-shutdown", 1.0, {"mode": "powerdown"})
    except (SourceUnavailable, SourceRefused) as error:
        return error.message
    finally:
        agent.close()
    return ""


async def _press_button(process: RunProcess) -> str:
    try:
        async with process.session() as session:
            await session.execute("system_powerdown")
    except (SourceUnavailable, SourceRefused) as error:
        return error.message
    return ""


def _now() -> float:
    return asyncio.get_running_loop().time()
