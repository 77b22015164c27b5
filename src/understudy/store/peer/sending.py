"""Large objects go in parts, over several connections at once. What a broken connection did not bring is sent again, and no more."""

import asyncio
from collections import deque
from collections.abc import Sequence
from secrets import token_hex

from understudy.errors import NotFound
from understudy.finish import first_failure
from understudy.pairing import wire
from understudy.store.peer.channel import Channel
from understudy.store.peer.failures import Broken
from understudy.store.peer.payload import cut
from understudy.store.protocol import Creation

_ROUNDS = 5
"""How often in a row an upload may break without a byte more having arrived."""
_PAUSE = 0.25
"""Seconds before the first try again; each further pause is twice as long."""


class Sending:
    """One object's way to a site. The site knows by a random id what of it has arrived already."""

    def __init__(self, channel: Channel, name: str, views: Sequence[memoryview], lanes: int) -> None:
        self._channel = channel
        self._name = name
        self._views = views
        self._size = sum(map(len, views))
        self._lanes = lanes
        self._upload = token_hex(16)

    async def done(self) -> Creation:
        """`Broken` if its connections break again and again: the object may exist, now or later."""
        missing: tuple[tuple[int, int], ...] = ((0, self._size),)
        failures = 0
        while True:
            outcome = await self._round(missing)
            if isinstance(outcome, Creation):
                return outcome
            before = sum(end - begin for begin, end in missing)
            try:
                state = await self._state()
            except Broken as error:
                outcome = error
            else:
                if state.creation is not None:
                    return Creation(state.creation)
                # Nothing missing, and no outcome: what was sent last is sent again, and the site stores it.
                missing = state.missing or ((self._size - 1, self._size),)
            failures = 1 if sum(end - begin for begin, end in missing) < before else failures + 1
            if failures >= _ROUNDS:
                raise outcome or Broken(f"the site has forgotten again and again what was sent of {self._name}")
            if outcome is not None:
                await asyncio.sleep(_PAUSE * 2 ** (failures - 1))

    async def _round(self, missing: Sequence[tuple[int, int]]) -> Creation | Broken | None:
        """The outcome, if the site has it now; what broke, if something did. One broken connection does not end the others."""
        size = wire.part_of(sum(end - begin for begin, end in missing), self._lanes)
        parts = deque((at, min(at + size, end)) for begin, end in missing for at in range(begin, end, size))
        outcomes: list[Creation] = []
        broken: list[Broken] = []

        async def lane() -> None:
            try:
                while parts and not outcomes:
                    outcomes.extend(await self._part(*parts.popleft()))
            except Broken as error:
                broken.append(error)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._lanes, len(parts))):
                    tasks.create_task(lane())
        except BaseExceptionGroup as group:
            if not outcomes:
                raise first_failure(group) from None
        return outcomes[0] if outcomes else broken[0] if broken else None

    async def _part(self, begin: int, end: int) -> list[Creation]:
        """Empty while more is missing."""
        query = {"size": str(self._size), "at": str(begin)}
        created = await self._channel.put(f"{wire.UPLOADS}{self._upload}/{self._name}", query, cut(self._views, begin, end))
        return [Creation(created)] if created is not None else []

    async def _state(self) -> wire.Upload:
        try:
            return await self._channel.ask(wire.Upload, "GET", f"{wire.UPLOADS}{self._upload}")
        except NotFound:
            return wire.Upload(missing=((0, self._size),))
