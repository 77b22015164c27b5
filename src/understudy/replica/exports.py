"""The export that a replica's disks are read from."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from understudy import engine
from understudy.errors import Busy, Conflict, NotFound
from understudy.replica.record import Record
from understudy.replica.values import StartReplica

BEGINS = 120.0
"""Seconds for one that another process is just beginning."""
POLL = 0.2


class Exports(NamedTuple):
    """`find` raises `NotFound`. `start` returns when it serves; `stop` when nothing of it is left; `end` when its process has ended: its
    point is still held then. `settle` returns when nobody is beginning it: its starter may have been killed, and it goes on by itself."""

    find: Callable[[str], engine.Export]
    start: Callable[[engine.StartExport], Awaitable[engine.Export]]
    stop: Callable[[str], Awaitable[engine.Export]]
    end: Callable[[str], Awaitable[None]]
    settle: Callable[[str], Awaitable[None]]

    async def seen(self, name: str) -> engine.Export | None:
        try:
            return await asyncio.to_thread(self.find, name)
        except NotFound:
            return None

    async def served(self, record: Record) -> engine.Export | None:
        """The replica's export, which serves; None if no disk of it needs one."""
        order, until = record.order, asyncio.get_running_loop().time() + BEGINS
        while record.exported:
            export = await self.seen(order.run)
            if export is not None and (export.machine_id, export.point) != (order.machine, order.point):
                raise Conflict(
                    f"this host has an export {order.run!r} of another point, {export.number} of {export.machine}",
                    hint=f"end it first: understudy unexport {order.run}",
                )
            if export is not None and export.state == "serving" and export.disks:
                return export
            try:
                return await self.begun(order)
            except Busy:
                # Its starter was killed, and it goes on by itself.
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(POLL)
        return None

    async def begun(self, order: StartReplica) -> engine.Export:
        return await self.start(engine.StartExport(name=order.run, machine=order.machine, point=order.point))

    async def stopped(self, name: str) -> None:
        """Idempotent."""
        await self.settle(name)
        try:
            await self.stop(name)
        except NotFound:
            return
