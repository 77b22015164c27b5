"""A test failover as an operator names it."""

import re
from typing import TYPE_CHECKING

from understudy.engine import Drill
from understudy.errors import NotFound

if TYPE_CHECKING:
    from understudy.client import RemoteService


async def drill_named(service: "RemoteService", which: str) -> Drill:
    """The newest one of machine `which`, by its name or id; else that whose own id begins so."""
    found = next((drill for drill in await service.drills(None) if which in (drill.machine, drill.machine_id)), None)
    if found is not None:
        return found
    if re.fullmatch("[0-9a-f]{1,32}", which):
        return await service.drill(which)
    raise NotFound(f"no point of {which} was ever tested here", hint="`understudy drill list` shows every test of this site")
