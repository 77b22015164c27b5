"""Standing by while jobs of ours save what the guest overwrites: here, and in a process of its own should this one sleep or die."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from understudy.errors import SourceUnavailable, UnderstudyError
from understudy.finish import finish
from understudy.qemu.lifeline import Armed, Order, qmp_lines
from understudy.source import qemu_view as overlays
from understudy.source.qemu_scratch import Space, watch
from understudy.source.qemu_stage import Stage


class Watch:
    """Gives the jobs up before a full scratch file stops the guest. `blind` is told if that can no longer be seen."""

    def __init__(self, stage: Stage, space: Space, jobs: Sequence[str], blind: Callable[[str], None]) -> None:
        self._stage = stage
        self._space = space
        self._cancel = [("block-job-cancel", {"device": job, "force": True}) for job in jobs]
        self._blind = blind
        self.armed: list[Armed] = []
        """Orders that stand; two for a moment while one takes the other's place."""
        self._task: asyncio.Task[None] | None = None

    async def arm(self) -> None:
        """Before the jobs begin: from here on this process's end is theirs."""
        lines, awaited = qmp_lines(self._cancel)
        files, spaces = self._space.limits()
        before = list(self.armed)
        self.armed.append(await self._stage.line.arm(self._stage.session.descriptor, Order(lines, awaited, files=files, spaces=spaces)))
        for armed in before:
            await finish(self._disarm(armed))

    def start(self) -> None:
        """The jobs are at work."""
        self._task = asyncio.ensure_future(self._watch())

    async def end(self) -> None:
        """Idempotent."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        for armed in list(self.armed):
            await finish(self._disarm(armed))

    async def _disarm(self, armed: Armed) -> None:
        # If that process has ended, its order has with it.
        with suppress(SourceUnavailable):
            await self._stage.line.disarm(armed)
        self.armed.remove(armed)

    async def _watch(self) -> None:
        stage = self._stage

        async def starved() -> bool:
            return not stage.starved and await overlays.starved(stage.session)

        try:
            await watch(self._space, starved, self.arm, stage.give_up)
        except (UnderstudyError, OSError) as error:
            self._blind(f"the space for its scratch files cannot be watched: {error}")
