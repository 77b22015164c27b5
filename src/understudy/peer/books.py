"""Registry and ledger for a loop: every question in a thread. Those that only read wait for no write, and writes that come together
wait for the disk together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from understudy.engine import Peer
from understudy.errors import UnderstudyError
from understudy.finish import finish, finish_in_thread
from understudy.peer.ledger import Charged, Doubt, Ledger, Row
from understudy.peer.registry import Admission, Registry
from understudy.store.protocol import ObjectInfo

T = TypeVar("T")


class Books:
    """`open` first. Everything raises `StateFailed` if the file cannot be read or written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="peers-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="peers-write")
        self._reading: Registry | None = None
        self._writing: Registry | None = None
        self._queued: list[_Entry] = []
        self._draining: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._writing = await finish_in_thread(lambda: Registry(self._directory), self._writer)
        self._reading = await finish_in_thread(lambda: Registry(self._directory), self._reader)

    async def close(self) -> None:
        """What was entered is written."""
        if self._draining is not None:
            await asyncio.wait([self._draining])
        for registry, threads in ((self._reading, self._reader), (self._writing, self._writer)):
            if registry is not None:
                await finish_in_thread(registry.close, threads)
            await asyncio.to_thread(threads.shutdown)

    async def admitted(self, peer: str) -> Peer:
        return await self._read(lambda registry: registry.admitted(peer))

    async def catch_up(self) -> None:
        await self._write(lambda registry: registry.catch_up())

    async def not_adopted(self) -> tuple[Peer, ...]:
        return await self._read(lambda registry: registry.not_adopted())

    async def revoked(self) -> frozenset[str]:
        return await self._read(lambda registry: registry.revoked())

    async def must_have_room(self, peer: str, name: str, size: int) -> None:
        await self._read(lambda registry: Ledger(registry.database).must_have_room(peer, name, size))

    async def page(self, peer: str, after: str, most: int) -> list[Row]:
        return await self._read(lambda registry: Ledger(registry.database).page(peer, after, most))

    async def must_know(self, peer: str, secret: str) -> None:
        await self._read(lambda registry: registry.must_know(peer, secret))

    async def register(self, peer: str, secret: str, public_key: str) -> Admission:
        return await self._write(lambda registry: registry.register(peer, secret, public_key))

    async def charge(self, peer: str, name: str, size: int) -> Charged:
        return await self._write(lambda registry: Ledger(registry.database).charge(peer, name, size))

    def stored(self, charged: Charged) -> None:
        """Entered before what is asked next, without waiting for the disk: what is lost of it leaves more charged, not less."""
        self._enter(lambda registry: Ledger(registry.database).stored(charged))

    def not_stored(self, charged: Charged) -> None:
        self._enter(lambda registry: Ledger(registry.database).not_stored(charged))

    def failed(self, charged: Charged) -> None:
        self._enter(lambda registry: Ledger(registry.database).failed(charged))

    async def doubts(self, peer: str | None, most: int) -> list[Doubt]:
        # What was entered is read.
        return await self._write(lambda registry: Ledger(registry.database).doubts(peer, most))

    async def found(self, doubt: Doubt, size: int) -> None:
        await self._write(lambda registry: Ledger(registry.database).found(doubt, size))

    async def missing(self, doubt: Doubt) -> None:
        await self._write(lambda registry: Ledger(registry.database).missing(doubt))

    async def adopt(self, peer: str, infos: list[ObjectInfo], *, whole: str | None = None) -> None:
        await self._write(lambda registry: Ledger(registry.database).adopt(peer, infos, whole=whole))

    def deleted(self, name: str) -> None:
        self._enter(lambda registry: Ledger(registry.database).deleted(name))

    async def gone(self, peer: str, rows: list[Row]) -> None:
        await self._write(lambda registry: Ledger(registry.database).gone(peer, rows))

    async def _read(self, ask: Callable[[Registry], T]) -> T:
        registry = self._reading
        assert registry is not None
        return await finish_in_thread(lambda: ask(registry), self._reader)

    async def _write(self, ask: Callable[[Registry], T]) -> T:
        # Entered, it is written whoever waits for it: cancelled, one waits for its end all the same.
        answer: T = await finish(self._enter(ask))
        return answer

    def _enter(self, ask: Callable[[Registry], Any]) -> "asyncio.Future[Any]":
        entry = _Entry(ask, asyncio.get_running_loop().create_future())
        self._queued.append(entry)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return entry.answer

    async def _drain(self) -> None:
        registry = self._writing
        assert registry is not None
        try:
            while self._queued:
                entries, self._queued = self._queued, []
                answers = await finish_in_thread(partial(_together, registry, entries), self._writer)
                for entry, answer in zip(entries, answers, strict=True):
                    if isinstance(answer, BaseException):
                        entry.answer.set_exception(answer)
                        # Not everybody waits for it.
                        entry.answer.exception()
                    else:
                        entry.answer.set_result(answer)
        finally:
            self._draining = None


class _Entry(NamedTuple):
    ask: Callable[[Registry], Any]
    answer: "asyncio.Future[Any]"


def _together(registry: Registry, entries: list[_Entry]) -> list[Any]:
    """In one transaction, each as if it were alone: what fails leaves nothing, and does not disturb the others."""
    answers: list[Any] = []
    try:
        with registry.database.writing():
            answers.extend(_answer(registry, entry) for entry in entries)
    except UnderstudyError as error:
        return [error] * len(entries)
    return answers


def _answer(registry: Registry, entry: _Entry) -> Any:
    try:
        return entry.ask(registry)
    except Exception as error:
        return error
