"""One client of the server: its requests are taken in order, carried out side by side, and answered as they are done."""

import asyncio
import errno
import logging
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from understudy.errors import UnderstudyError
from understudy.finish import finish
from understudy.model import BytesLike
from understudy.nbd import asked as say
from understudy.nbd import wire
from understudy.nbd.asked import MAX_EXTENTS, Asked
from understudy.nbd.channel import Channel
from understudy.nbd.device import Device
from understudy.nbd.failure import ClientBroke
from understudy.nbd.greeting import ALLOCATION, Opened
from understudy.nbd.split import parts
from understudy.nbd.wire import Command, Flags

T = TypeVar("T")

log = logging.getLogger(__name__)

IN_FLIGHT = 16
"""Requests of one client that are under way at once; the next is read when one of them is done."""
PAYLOAD = wire.MAX_PAYLOAD
"""Bytes that one client's requests may hold at once: one of the largest, or many."""
PIECE = 1 << 20
"""A read is answered in pieces of so many bytes, where its client takes pieces."""
STALL = 60.0
"""Seconds for the bytes of a write whose head has come."""


def flags_of(device: Device) -> Flags:
    """What an export can do. Several connections see one state: nothing is held back for one of them, and a flush is for all."""
    can = Flags.HAS_FLAGS | Flags.SEND_DF | Flags.CAN_MULTI_CONN | Flags.SEND_FLUSH | Flags.SEND_FUA
    return can | (Flags.SEND_TRIM | Flags.SEND_WRITE_ZEROES if device.writable else Flags.READ_ONLY)


@dataclass
class Serving:
    """`run` it once."""

    channel: Channel
    device: Device
    opened: Opened
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    _free: int = PAYLOAD
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Until the client leaves. `ClientBroke` if it broke the protocol. What it had asked to be written is carried out to its end."""
        head = memoryview(bytearray(wire.REQUEST.size))
        try:
            while True:
                await self._slots.acquire()
                await self.channel.fill(head)
                asked = Asked.parse(head)
                if asked.command == Command.DISCONNECT:
                    return
                held = self._held(asked)
                await self._reserve(held)
                payload = await self._payload(asked)
                task = asyncio.create_task(self._carry_out(asked, payload, held))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (OSError, EOFError) as error:
            log.debug("an NBD client's connection ended: %s", error)
        finally:
            self.channel.end()
            await finish(asyncio.gather(*self._tasks, return_exceptions=True))

    def _held(self, asked: Asked) -> int:
        if asked.command == Command.READ and asked.length <= wire.MAX_PAYLOAD:
            return asked.length if self._whole(asked) else min(asked.length, PIECE)
        return asked.payload

    def _whole(self, asked: Asked) -> bool:
        return not self.opened.structured or bool(asked.flags & wire.NOT_IN_PIECES)

    async def _reserve(self, size: int) -> None:
        while self._free < size:
            self._freed.clear()
            await self._freed.wait()
        self._free -= size

    async def _payload(self, asked: Asked) -> bytearray:
        payload = bytearray(asked.payload)
        if payload:
            try:
                async with asyncio.timeout(STALL):
                    await self.channel.fill(memoryview(payload))
            except TimeoutError:
                raise ClientBroke(f"the {len(payload)} bytes that it wants to write did not come within {STALL:g} s") from None
        return payload

    async def _carry_out(self, asked: Asked, payload: bytearray, held: int) -> None:
        try:
            with suppress(OSError, EOFError):
                await self._answer(asked, payload)
        finally:
            self._free += held
            self._freed.set()
            self._slots.release()

    async def _answer(self, asked: Asked, payload: bytearray) -> None:
        error = asked.objection(self.device.size, flags_of(self.device), allocation=self.opened.allocation)
        try:
            if error:
                raise _Failed(error, "refused")
            if asked.command == Command.READ:
                await self._read(asked)
            elif asked.command == Command.BLOCK_STATUS:
                await self._status(asked)
            else:
                await self._tried(asked, self._change(asked, payload))
                await self._send(say.simple(asked.cookie))
        except _Failed as failed:
            # Where structured replies are agreed on, these two commands know no other answer.
            chunked = self.opened.structured and asked.command in (Command.READ, Command.BLOCK_STATUS)
            await self._send(say.failed(asked.cookie, failed.error, failed.words) if chunked else say.simple(asked.cookie, failed.error))

    async def _change(self, asked: Asked, payload: bytearray) -> None:
        device, punch = self.device, not asked.flags & wire.NO_HOLE
        if asked.length:
            match asked.command:
                case Command.WRITE:
                    await device.write(asked.offset, payload)
                case Command.WRITE_ZEROES:
                    await device.write_zeroes(asked.offset, asked.length, punch=punch)
                case Command.TRIM:
                    await device.trim(asked.offset, asked.length)
        if asked.command == Command.FLUSH or asked.flags & wire.FUA:
            await device.flush()

    async def _read(self, asked: Asked) -> None:
        cookie, end = asked.cookie, asked.offset + asked.length
        if not self.opened.structured:
            data = await self._tried(asked, self.device.read(asked.offset, asked.length)) if asked.length else None
            await self._send(say.simple(cookie), bytes(asked.length) if data is None else data)
            return
        if not asked.length:
            await self._send(say.nothing(cookie))
            return
        for part in parts(asked.offset, asked.length, asked.length if self._whole(asked) else PIECE):
            data = await self._tried(asked, self.device.read(*part))
            last = part.offset + part.length == end
            if data is None:
                await self._send(say.hole(cookie, *part, last=last))
            else:
                await self._send(say.data_head(cookie, *part, last=last), data)

    async def _status(self, asked: Asked) -> None:
        most = 1 if asked.flags & wire.ONE_EXTENT else MAX_EXTENTS
        rows = await self._tried(asked, self.device.status(asked.offset, asked.length, most))
        await self._send(say.status(asked.cookie, ALLOCATION, rows))

    async def _tried(self, asked: Asked, work: Awaitable[T]) -> T:
        """What the device gives; `_Failed` with what the client is told."""
        try:
            return await work
        except OSError as error:
            failed = _Failed(error.errno or errno.EIO, error.strerror or str(error))
        except UnderstudyError as error:
            failed = _Failed(errno.EIO, error.message)
        except Exception as error:
            # Whatever it is, it must not look like bytes to the client, nor end what others do.
            log.exception("an NBD request failed in an unexpected way")
            raise _Failed(errno.EIO, str(error)) from error
        log.error("%s: request %d of %d bytes at %d failed: %s", self.opened.name, asked.command, asked.length, asked.offset, failed.words)
        raise failed

    async def _send(self, head: bytes, data: BytesLike = b"") -> None:
        async with self._sending:
            await self.channel.send(head)
            if len(data):
                await self.channel.send(data)


class _Failed(Exception):
    """What a client is told of its request: a number and words."""

    def __init__(self, error: int, words: str) -> None:
        super().__init__(words)
        self.error = error
        self.words = words
