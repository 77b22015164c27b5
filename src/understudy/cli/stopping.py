"""SIGINT and SIGTERM as a request to stop: what is under way is finished, or given up cleanly where that takes too long."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from understudy.heap import LASTING, bound

GRACE_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_stopped(body: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, stays: bool = True) -> None:
    """Run `body`, which ends soon after its event is set. It is cancelled GRACE_SECONDS after the first signal, or by a second one.

    `stays`: it waits most of its life. A single cycle over 2.7 GiB of unchanged data took 0.67 s of the kernel's with such a process's
    heap, and 0.51 with a command's (the middle of five turns).
    """
    if stays:
        bound(LASTING)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    work = asyncio.create_task(body(stop))

    def asked() -> None:
        if stop.is_set():
            work.cancel()
        else:
            stop.set()
            loop.call_later(GRACE_SECONDS, work.cancel)

    for number in _SIGNALS:
        loop.add_signal_handler(number, asked)
    try:
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but not past a request to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
