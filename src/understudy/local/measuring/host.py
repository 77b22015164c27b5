"""All of it, one after the other."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from understudy.engine import OnProgress, Progress
from understudy.engine.capacity import Bench, Capacity, Measured, Storing, capacity_of, checked_bench
from understudy.local.measuring.disks import opened, reading, sample, syncing
from understudy.local.measuring.encoding import MADE, encoding, made
from understudy.local.measuring.storing import storing
from understudy.local.measuring.timing import Patience
from understudy.store.protocol import ObjectStore

T = TypeVar("T")


async def measured(request: Bench, store: ObjectStore | None, progress: OnProgress) -> Capacity:
    """Each part has its share of the time; cancelled, what is under way ends with its next step."""
    checked_bench(request)
    state, share = Path(request.state_dir), request.seconds / (4 if store is not None else 3)

    def local(patience: Patience) -> Measured:
        with opened(request.disk, state) as disk:
            progress(Progress(phase=f"reading {disk.path}"))
            read = reading(disk, patience, share)
            found = sample(disk) if request.disk is not None else None
        progress(Progress(phase="signing, compressing and sealing"))
        data, what = (made(), MADE) if found is None else (found, f"data of {request.disk}")
        encoded = encoding(data, what, patience, share)
        progress(Progress(phase=f"flushing what is written to {state}"))
        return Measured(reading=read, encoding=encoded, sync=syncing(state, patience, share), storing=None)

    stored: Storing | None = None
    if store is not None:
        assert request.vault is not None
        # First: an address that is wrong is soon known.
        progress(Progress(phase=f"storing in {request.vault}"))
        stored = await storing(store, request.vault, share, leave=request.leave)
    return capacity_of(structs.replace(await _in_thread(local), storing=stored))


async def _in_thread(work: Callable[[Patience], T]) -> T:
    """Cancelled, it is waited for: that is a step."""
    patience = Patience()
    task = asyncio.create_task(asyncio.to_thread(work, patience))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        patience.give_up()
        await asyncio.wait([task])
        raise
