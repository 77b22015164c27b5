"""One NBD connection on the event loop: who waits for which answer, and until when."""

import asyncio
from collections.abc import Generator, Iterable, Sequence
from typing import cast

from understudy.nbd import wire
from understudy.nbd.failure import NbdFailed
from understudy.nbd.handshake import Export, negotiate
from understudy.nbd.replies import replies
from understudy.nbd.request import WORDS, Request
from understudy.nbd.wire import Command

FLUSH_PATIENCE = 10
"""A flush may have to write out a whole page cache."""


class Connection(asyncio.BufferedProtocol):
    """Sends requests, at most `in_flight` at a time, and receives their answers into the requests' own buffers."""

    export: Export

    def __init__(self, export: str, contexts: Sequence[str], in_flight: int, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._slots = asyncio.Semaphore(in_flight)
        self._writable = asyncio.Event()
        self._writable.set()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._pending: dict[int, Request] = {}
        self._cookie = 0
        self._failure: NbdFailed | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = self._parse(export, contexts)
        self._view = memoryview(b"")
        self._filled = 0

    @classmethod
    async def open_unix(cls, path: str, export: str, contexts: Sequence[str], in_flight: int, timeout: float) -> "Connection":
        """Connect and shake hands within `timeout` seconds."""
        connection: Connection | None = None

        def build() -> Connection:
            nonlocal connection
            connection = cls(export, contexts, in_flight, timeout)
            return connection

        try:
            async with asyncio.timeout(timeout):
                _, opened = await asyncio.get_running_loop().create_unix_connection(build, path)
                await opened._ready
        except (OSError, TimeoutError) as error:
            if connection is not None:
                connection._fail(NbdFailed("gave up"))
            why = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            raise NbdFailed(f"cannot connect to the NBD server at {path}: {why}") from error
        except BaseException:
            if connection is not None:
                connection._fail(NbdFailed("gave up"))
            raise
        return opened

    async def run(self, requests: Iterable[Request]) -> None:
        """Send the requests in order and wait for all; the first failure is raised when no buffer can be touched any more."""
        sent: list[Request] = []
        done: asyncio.Future[None] = self._loop.create_future()
        waiting, all_sent = 0, False
        failure: NbdFailed | None = None

        def settled(request: Request) -> None:
            nonlocal waiting, failure
            waiting -= 1
            failure = failure or request.error
            if waiting == 0 and all_sent and not done.done():
                done.set_result(None)

        try:
            for request in requests:
                await self._slot()
                if failure is not None:
                    self._slots.release()
                    break
                request.on_done = settled
                waiting += 1
                sent.append(request)
                self._send(request)
            all_sent = True
            if waiting:
                await done
        finally:
            if waiting:
                self._abandon(sent)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Disconnect, in an orderly way if the connection still stands."""
        if self._failure is None and self._transport is not None:
            self._transport.write(wire.REQUEST.pack(wire.REQUEST_MAGIC, 0, Command.DISCONNECT, 0, 0, 0))
            self._fail(NbdFailed("the NBD connection is closed"), politely=True)
        if self._transport is not None:
            await asyncio.wait([self._closed], timeout=1.0)
            # A transport that has reported its end must not be touched again.
            if not self._closed.done():
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._step()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._failure is not None:
            return
        self._filled += nbytes
        if self._filled == len(self._view):
            self._step()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc is not None else ""
        self._fail(NbdFailed(f"the NBD server closed the connection{why}", hint="the process behind it has ended, or refused to go on"))
        if not self._closed.done():
            self._closed.set_result(None)

    def _parse(self, export: str, contexts: Sequence[str]) -> Generator[memoryview, None, None]:
        self.export = yield from negotiate(export, contexts, self._write)
        if not self._ready.done():
            self._ready.set_result(None)
        yield from replies(self._pending, self.export.structured, self._finish)

    def _step(self) -> None:
        try:
            self._view = next(self._parser)
            self._filled = 0
        except NbdFailed as failure:
            self._fail(failure)

    async def _slot(self) -> None:
        """Wait until one more request may be sent."""
        await self._slots.acquire()
        try:
            await self._writable.wait()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self._slots.release()
            raise

    def _send(self, request: Request) -> None:
        self._cookie += 1
        request.deadline = self._loop.time() + self._patience(request)
        self._pending[self._cookie] = request
        self._write(request.packed(self._cookie))
        if request.command == Command.WRITE and request.view is not None:
            self._write(request.view)
        if self._watch is None:
            self._watch = self._loop.call_at(request.deadline, self._look)

    def _write(self, data: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _patience(self, request: Request) -> float:
        return self._timeout * (FLUSH_PATIENCE if request.command == Command.FLUSH else 1)

    def _look(self) -> None:
        """Fail the connection if an answer is overdue; else look again when the next one would be."""
        self._watch = None
        if not self._pending:
            return
        oldest = min(self._pending.values(), key=lambda request: request.deadline)
        if oldest.deadline <= self._loop.time():
            self._fail(NbdFailed(f"the NBD server did not {WORDS[oldest.command]} within {self._patience(oldest):g} s"))
        else:
            self._watch = self._loop.call_at(oldest.deadline, self._look)

    def _abandon(self, requests: Iterable[Request]) -> None:
        for request in requests:
            if request.on_done is None:
                continue
            if request.filling is self._view:
                self._view = memoryview(bytearray(len(self._view)))
            request.abandon()

    def _fail(self, failure: NbdFailed, politely: bool = False) -> None:
        if self._failure is not None:
            return
        self._failure = failure
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._parser.close()
        self._view, self._filled = memoryview(bytearray(65536)), 0
        self._writable.set()
        pending = list(self._pending.values())
        self._pending.clear()
        for request in pending:
            if request.error is None:
                request.error = failure
            self._finish(request)
        if not self._ready.done():
            self._ready.set_exception(failure)
            self._ready.exception()  # whoever connected may have given up already
        if self._transport is not None:
            if politely:
                self._transport.close()
            else:
                self._transport.abort()

    def _finish(self, request: Request) -> None:
        self._slots.release()
        on_done, request.on_done = request.on_done, None
        if on_done is not None:
            on_done(request)
