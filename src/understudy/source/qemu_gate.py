"""A VM in a consistency group: it waits for the others before its instant, and stands still until all have theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from understudy.source.protocol import Gate
from understudy.source.qemu_around import Around, Moment
from understudy.source.qemu_pause import Pauser


@asynccontextmanager
async def gathered(moment: Moment) -> AsyncIterator[None]:
    """Outermost: a guest's file systems are not frozen while other members still prepare."""
    if moment.wish.gate is None:
        yield
        return
    async with _or_broken(moment.wish.gate):
        await moment.wish.gate.prepared()
        yield


def standing(pauser: Pauser, alone: bool) -> Around:
    """Innermost: what keeps the VM still only for as long as all members' instants need; or its own, where that needs it `alone`."""

    @asynccontextmanager
    async def around(moment: Moment) -> AsyncIterator[None]:
        gate = moment.wish.gate
        if gate is None:
            if not alone:
                yield
                return
            async with pauser.paused() as pause:
                yield
            moment.paused = pause.seconds
            return
        async with _or_broken(gate):
            await gate.ready()
            async with pauser.paused() as pause, _or_broken(gate):
                await gate.stopped()
                yield
                await gate.frozen()
            moment.paused = pause.seconds

    return around


@asynccontextmanager
async def _or_broken(gate: Gate) -> AsyncIterator[None]:
    """Nobody waits for a member that fails, not even while that one cleans up."""
    try:
        yield
    except BaseException as error:
        gate.broken(error)
        raise
