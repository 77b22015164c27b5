"""Ending a guest whose QEMU must stay, so that what it wrote last can still be read; and setting it going again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from understudy.errors import SourceRefused, SourceUnavailable
from understudy.qemu.agent import GuestAgent
from understudy.qemu.session import QmpRefused, QmpSession

POLL = 0.3
LEAVES = 10.0
"""Seconds in which a QEMU ends that was told to."""
PRESSED_EACH = 10.0
"""Seconds after which the power button is pressed again: a guest that was still booting did not hear it."""
SHUT_DOWN = "shutdown"
RUNNING = "running"
_STANDING = frozenset({"paused", "prelaunch", "inmigrate"})


class Patience(NamedTuple):
    """Seconds for each way of asking; 0: it is left out."""

    agent: float = 60.0
    acpi: float = 120.0


async def shut_down(session: QmpSession, agent: str, patience: Patience, tell: Callable[[str], Awaitable[None]], *, force: bool) -> str:
    """Afterwards the guest does not run and QEMU stands still with its disks; how it came to that, in words. Idempotent.

    `agent`: its socket, or empty. `SourceRefused` if the guest did not shut down and is not to be forced; it runs on then, and a shutdown
    that comes later ends its QEMU as before.
    """
    if await status(session) == SHUT_DOWN:
        return "it had shut down"
    await session.execute("set-action", {"shutdown": "pause"})
    try:
        for way, seconds in (("agent", patience.agent if agent else 0.0), ("acpi", patience.acpi)):
            if seconds and await status(session) not in _STANDING:
                await tell(f"asked to shut down by {'its agent' if way == 'agent' else 'its power button'}")
                if await (_by_agent(session, agent, seconds) if way == "agent" else _by_button(session, seconds)):
                    return f"shut down by {'its agent' if way == 'agent' else 'its power button'}"
        if not force:
            raise SourceRefused(
                "the guest did not shut down when it was asked", hint="shut it down by hand, or allow it to be ended: --force"
            )
    except BaseException:
        await _let_end(session)
        raise
    await session.execute("stop")
    return "ended by force: its guest did not shut down"


async def go_on(session: QmpSession) -> str:
    """The guest runs again: it boots anew if it had shut down. What was done, in words; empty if it ran. Idempotent."""
    await _let_end(session)
    match await status(session):
        case "running":
            return ""
        case "shutdown" | "guest-panicked" | "internal-error":
            await session.execute("system_reset")
            await session.execute("cont")
            return "booted again"
        case _:
            await session.execute("cont")
            return "goes on"


async def pause(session: QmpSession) -> bool:
    """The guest stands still; False if it did already."""
    if await status(session) != RUNNING:
        return False
    await session.execute("stop")
    return True


async def leave(session: QmpSession) -> None:
    """End a QEMU whose guest does not run. It has closed its disks' images when this returns, unless that takes long."""
    with suppress(SourceUnavailable):  # it may be quicker than its answer
        await session.execute("quit")
    # It closes the images first, its monitors last.
    for _ in range(round(LEAVES / POLL)):
        if session.closed:
            return
        await asyncio.sleep(POLL)


async def runs(qmp: str) -> bool:
    """Whether the guest is known to run."""
    try:
        session = await QmpSession.connect(qmp)
    except SourceUnavailable:
        return False
    try:
        return await status(session) == RUNNING
    finally:
        await session.close()


async def status(session: QmpSession) -> str:
    return str((await session.execute("query-status"))["status"])


async def _let_end(session: QmpSession) -> None:
    await session.execute("set-action", {"shutdown": "poweroff"})


async def _by_agent(session: QmpSession, path: str, seconds: float) -> bool:
    try:
        agent = GuestAgent.connect(path)
    except SourceUnavailable:
        return False
    try:
        await agent.execute("guest-ping", 5.0)
        # It does not answer: it is gone then.
        with suppress(SourceUnavailable):
            await agent.execute("guest-shutdown", 2.0, {"mode": "powerdown"})
    except (SourceUnavailable, SourceRefused):
        return False
    finally:
        agent.close()
    return await _ended(session, time.monotonic() + seconds)


async def _by_button(session: QmpSession, seconds: float) -> bool:
    until = time.monotonic() + seconds
    try:
        while (now := time.monotonic()) < until:
            await session.execute("system_powerdown")
            if await _ended(session, min(until, now + PRESSED_EACH)):
                return True
    except QmpRefused:
        pass
    return False


async def _ended(session: QmpSession, until: float) -> bool:
    while time.monotonic() < until:
        if await status(session) == SHUT_DOWN:
            return True
        await asyncio.sleep(POLL)
    return False
