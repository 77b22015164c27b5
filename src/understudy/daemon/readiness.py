"""Each half day it is looked whether the machines that this site stands in for could be started here."""

import asyncio
import time
from contextlib import suppress

from understudy.daemon.stand_in import StandIn
from understudy.engine import Readiness, Reason
from understudy.engine.units import duration
from understudy.errors import UnderstudyError
from understudy.local.network_file import mapped_here

EVERY = 12 * 3600.0
TURN = 60.0
LISTED = 1800.0
"""Seconds after which it is asked again which machines there are."""
RETRY = 1800.0


class ReadinessUpkeep:
    """Looks at the machines of other sites that a table of this site's [[networks]], or `network set`, is for."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._elsewhere: dict[str, str] = {}
        self._asked = 0.0
        self._failed: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled. The vault's failures, and those of one machine, are tried again with the next turn."""
        while True:
            try:
                await self._look()
            except UnderstudyError:
                # The vault's own upkeep tells of it.
                pass
            except Exception as error:
                self._stand_in.journal.fault(f"the look at who could be started here broke: {error}", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN):
                    await self._stand_in.changed.wait()
            self._stand_in.changed.clear()

    def reasons(self, now: int) -> list[Reason]:
        """What of the last looks failed, for this site's health."""
        return [_reason(found, now) for found in self._stand_in.checked.values() if found.verdict == "fail" and found.id in self._elsewhere]

    async def _look(self) -> None:
        if not self._asked or time.monotonic() - self._asked > LISTED or self._stand_in.stale:
            self._elsewhere = await self._stood_in_for()
            self._asked = time.monotonic()
        for machine in [*self._elsewhere]:
            if await self._due(machine):
                await self._check(machine)

    async def _stood_in_for(self) -> dict[str, str]:
        engine, rules = self._stand_in.engine, self._stand_in.config().networks
        own = await asyncio.to_thread(mapped_here, engine.site, await engine.vault_id())
        elsewhere = await engine.elsewhere(None if rules else own)
        sites = {rule.site for rule in rules}
        return {machine: site for machine, site in elsewhere.items() if machine in own or sites & {"", site}}

    async def _due(self, machine: str) -> bool:
        if machine in self._stand_in.stale:
            return True
        if time.monotonic() < self._failed.get(machine, 0.0):
            return False
        last = await self._stand_in.remembered(machine)
        # A clock that went back does not keep it from being looked at.
        return last is None or not 0 <= (time.time_ns() - last.at) / 1e9 < EVERY

    async def _check(self, machine: str) -> None:
        try:
            await self._stand_in.check(machine)
        except UnderstudyError as error:
            self._failed[machine] = time.monotonic() + RETRY
            message = f"it could not be looked whether it could be started here: {error.message}"
            self._stand_in.journal.tell("machine.readiness", "warning", message, machine=machine, data={"hint": error.hint})


def _reason(found: Readiness, now: int) -> Reason:
    failing = [item for item in found.items if item.verdict == "fail"]
    words = "; ".join(f"{item.what}: {item.words}" for item in failing)
    ago = duration(max(now - found.at, 0) / 1e9)
    message = f"{found.machine} could not be started here ({ago} ago): {words}"
    return Reason(code="not-ready", health="warning", message=message, hint=failing[0].hint or f"understudy check {found.machine}")
