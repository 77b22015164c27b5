"""Asking a machine's primary to shut it down, and taking that back."""

import asyncio
import secrets
import time

from understudy.engine import Progress
from understudy.errors import Conflict, Fenced, SourceUnavailable
from understudy.failover.deed import Deed
from understudy.failover.phase import SHUTDOWN
from understudy.failover.steps import POLL, Steps
from understudy.finish import finish
from understudy.vault import kinds
from understudy.vault.log.authority import Asked
from understudy.vault.log.machine_log import MachineLog

ANSWERS = 120.0
"""Seconds in which a primary that is there begins to do what it is asked for."""


async def shut_down_there(steps: Steps, deed: Deed) -> Deed:
    """The primary has shut the machine down and made a final point, or says why not; then it runs on there."""
    await steps.log.refresh()
    if deed.point:
        return deed
    if not deed.request:
        deed = await steps.keep(deed, request=secrets.token_bytes(16).hex())
    if _asked(steps, deed) is None:
        steps.progress(Progress(phase="ask"))
        body = kinds.Request(
            id=bytes.fromhex(deed.request), action=SHUTDOWN, site=steps.log.state.site, by=steps.site.name, force=deed.force
        )
        await finish(steps.log.append(body))
    until = time.monotonic() + ANSWERS
    while True:
        asked = _asked(steps, deed)
        if asked is None:
            await steps.keep(deed, done=True)
            raise Fenced(f"machine {steps.name!r} was failed over by another site meanwhile")
        if asked.outcome in ("failed", "cancelled"):
            await steps.keep(deed, done=True)
            why = asked.text or "the request was taken back"
            raise Conflict(
                f"{steps.name!r} was not shut down at {asked.site!r}: {why}", hint="it runs on there; see to that, and try again"
            )
        if asked.outcome == "done":
            if steps.log.state.authority.final:
                return deed
            await steps.keep(deed, done=True)
            hint = "it was started there by hand; see to that, and try again"
            raise Conflict(f"machine {steps.name!r} runs on at {asked.site!r}: its shutdown was taken back", hint=hint)
        if not asked.outcome and time.monotonic() > until:
            await take_back(steps, deed)
            raise SourceUnavailable(
                f"site {asked.site!r} has not answered within {ANSWERS:g} s; nothing was done",
                hint=f"is its daemon running, and does it reach the vault? if it is lost: understudy failover unplanned {steps.name}",
            )
        steps.progress(Progress(phase="shut down", reason=asked.text))
        await asyncio.sleep(POLL)
        await steps.log.refresh()


def _asked(steps: Steps, deed: Deed) -> Asked | None:
    return next((asked for asked in steps.log.state.authority.requests if asked.id.hex() == deed.request), None)


async def take_back(steps: Steps, deed: Deed) -> None:
    """The primary is not asked any more."""
    if deed.request:
        await withdrawn(steps.log)
    await steps.keep(deed, done=True)


async def withdrawn(log: MachineLog) -> None:
    """Nobody is asked any more to shut the machine down."""
    for asked in log.state.authority.requests:
        if asked.action == SHUTDOWN and asked.outcome not in ("failed", "cancelled"):
            body = kinds.Request(id=asked.id, action=asked.action, site=asked.site, by=asked.by, cancelled=True)
            await finish(log.append(body))
