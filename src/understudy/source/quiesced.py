"""A source whose machine is made consistent for its freezes when that is wished for."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from understudy.errors import SourceUnavailable
from understudy.source.protocol import CRASH, DiskSource, Snapshot, SourceInfo, Wish
from understudy.source.qemu_around import Around, Moment
from understudy.source.quiesce import Outcome, Quiesce

ASLEEP = "the VM does not run, so its guest agent cannot answer"


def at_the_instant(quiesce: Quiesce) -> Around:
    """For a source whose freeze has an instant: quiesced just for that."""

    @asynccontextmanager
    async def around(moment: Moment) -> AsyncIterator[None]:
        if not moment.wish.app_consistent:
            yield
            return
        running = (await moment.session.execute("query-status"))["running"]
        async with quiesce.around(moment.point, "" if running else ASLEEP) as outcome:
            yield
        moment.consistency, moment.downgrade, moment.quiesced = outcome.consistency, outcome.downgrade, outcome.frozen

    return around


class QuiescedSource:
    """Settles what an earlier run left quiesced, before anything else."""

    def __init__(self, source: DiskSource, quiesce: Quiesce) -> None:
        self._source = source
        self._quiesce = quiesce

    async def probe(self) -> SourceInfo:
        self._quiesce.check()
        return replace(await self._source.probe(), quiesce=await self._quiesce.described())

    async def relieve(self) -> None:
        await self._quiesce.settle()
        await self._source.relieve()

    async def recover(self, newest: str | None) -> None:
        await self._quiesce.settle()
        await self._source.recover(newest)

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        return await self._source.freeze(point, base, wish)

    async def release(self, committed: bool | None) -> None:
        await self._source.release(committed)

    async def pending(self) -> int | None:
        return await self._source.pending()

    async def remove(self) -> None:
        await self._quiesce.settle()
        await self._source.remove()

    async def close(self) -> None:
        try:
            await self._source.close()
        finally:
            self._quiesce.close()


class QuiescedWhileRead(QuiescedSource):
    """For a source that is read in place: quiesced from the freeze to the release. A post hook that fails then is told by `recover`."""

    def __init__(self, source: DiskSource, quiesce: Quiesce) -> None:
        super().__init__(source, quiesce)
        self._held: tuple[AsyncExitStack, Outcome] | None = None
        self._failure: SourceUnavailable | None = None

    async def recover(self, newest: str | None) -> None:
        await super().recover(newest)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        if not wish.app_consistent or self._held is not None:
            return await super().freeze(point, base, wish)
        async with AsyncExitStack() as stack:
            outcome = await stack.enter_async_context(self._quiesce.around(point))
            snapshot = await super().freeze(point, base, wish)
            self._held = (stack.pop_all(), outcome)
        return replace(snapshot, consistency=outcome.consistency, downgrade=outcome.downgrade)

    async def release(self, committed: bool | None) -> None:
        try:
            await super().release(committed)
        finally:
            await self._resume(committed)

    async def close(self) -> None:
        try:
            await self._resume(None)
        finally:
            await super().close()

    async def _resume(self, committed: bool | None) -> None:
        if self._held is None:
            return
        (stack, outcome), self._held = self._held, None
        outcome.wanted = committed is not False
        told = outcome.downgrade
        await stack.aclose()
        if outcome.downgrade != told:
            self._failure = SourceUnavailable(outcome.downgrade, hint="see to what this hook should have set going again")
