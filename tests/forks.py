"""Processes that tests race against each other, or kill: forked from a server that has the engine loaded, they begin in milliseconds."""

import asyncio
import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess


def start(target: Callable[..., None], *args: object) -> BaseProcess:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["understudy.local.engine"])
    process = forks.Process(target=target, args=args, daemon=True)
    process.start()
    return process


async def ended(target: Callable[..., None], *args: object) -> int:
    """How it came to its end: as `Process.exitcode` says it, a signal as its negative number."""
    process = start(target, *args)
    await asyncio.to_thread(process.join)
    assert process.exitcode is not None
    return process.exitcode
