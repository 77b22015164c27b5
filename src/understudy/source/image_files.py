"""The image files of one VM, watched: after every event it is found out at once what it means."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from understudy.finish import finish_in_thread
from understudy.source.file_facts import Process, at_rest, facts, obstacle, process, unwritten
from understudy.source.file_users import Inode, opened, writers
from understudy.source.file_writers import FileWriters
from understudy.source.image_events import ALL, QUIET, FileEvents, why_not
from understudy.source.image_state import Happening, Stage, State, after

PULSE = 1.0
"""Seconds from one look at files that nobody has to the next."""
ASLEEP = 10.0
"""Seconds without such looks after which nothing is believed."""
PAUSE = 0.02
"""Seconds between two looks at who opened a file."""


@dataclass(slots=True)
class _File:
    state: State
    inode: Inode = (0, 0)
    descriptor: int | None = None
    """Open for reading while a QEMU has it, to look at it afterwards without seeming somebody else."""
    seen: bool = False
    """Whether it was opened since it was looked who has it."""
    hopeless: bool = False

    def drop(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class ImageFiles:
    """Everything happens in one event loop."""

    def __init__(self) -> None:
        """OSError if the kernel does not tell this process of writes, or nobody any more."""
        self._files: dict[str, _File] = {}
        self._wrote = FileWriters()
        try:
            self._events = FileEvents(self._happened)
        except OSError:
            self._wrote.close()
            raise
        self._worker: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._looked = _now()
        self._asked = self._looked
        """When it was looked last who has all of them."""
        self._holder: Process | None = None

    async def take(self, holder: Process, paths: Collection[str]) -> None:
        """Files that a QEMU has open. Only then is it certain that it alone writes to them."""
        self._holder = holder
        for path in paths:
            self._files[path] = _File(State(Stage.HELD, path, stirred=True))
            await self._guarded(path, partial(self._take, holder))
        await self.alone(holder)

    def start(self) -> None:
        """Once the files are named."""
        asyncio.get_running_loop().add_reader(self._events.descriptor, self.drain)
        self._worker = asyncio.create_task(self._work())
        self._changed.set()

    async def close(self) -> None:
        """Idempotent."""
        if self._worker is not None:
            asyncio.get_running_loop().remove_reader(self._events.descriptor)
            self._worker.cancel()
            await asyncio.wait([self._worker])
            self._worker = None
        for file in self._files.values():
            file.drop()
        self._events.close()
        self._wrote.close()

    @property
    def held(self) -> bool:
        """Whether all is still as it was when they were taken, and known to be; where it never can be, that does not matter."""
        calm = (Stage.HELD, Stage.FREE)
        return all(file.hopeless or (file.state.stage in calm and not file.state.stirred) for file in self._files.values())

    def state(self, path: str) -> State:
        return self._files[path].state

    def doubt(self, paths: Collection[str]) -> str:
        """Why one of these is doubted; empty if none is."""
        return next((self.state(path).reason for path in paths if self.state(path).stage is Stage.DOUBTED), "")

    def drain(self) -> None:
        """Take note of what has happened up to now."""
        try:
            some = self._events.drain()
        except OSError as error:
            for path in self._files:
                self.doubts(path, f"{path} cannot be watched: {why_not(error)}")
            return
        if some:
            if _now() - self._looked > ASLEEP:
                for path in self._in(Stage.CLOSED, Stage.FREE, Stage.OPENING, Stage.OPENED):
                    self.doubts(path, "understudy stood still while the VM was down")
            self._changed.set()
        self._looked = _now()

    async def settled(self) -> None:
        """When nothing is left to be found out of what has happened by now."""
        self.drain()
        end = _now() + ASLEEP
        while unknown := self._in(Stage.OPENING, Stage.CLOSED):
            if _now() > end:
                for path in unknown:
                    self.doubts(path, f"it could not be found out what happened to {path}")
            self._changed.set()
            await asyncio.sleep(PAUSE)
        if self._worker is None or self._worker.done():
            for path in self._files:
                self.doubts(path, f"nobody looks after {path} any more")

    async def calm(self) -> None:
        """Somebody opened what a QEMU has: does anybody still have it?"""
        self.drain()
        if self._holder is not None and any(self.state(path).stirred for path in self._in(Stage.HELD)):
            await self.alone(self._holder)

    async def alone(self, holder: Process) -> None:
        """Doubt those that others than `holder` have open for writing, or wrote to since they were free."""
        self.drain()
        self._asked = _now()
        found = {file.inode: path for path, file in self._files.items() if file.state.stage in (Stage.HELD, Stage.OPENED)}
        for path in found.values():
            self._files[path].seen = False
        if not found:
            return
        try:
            users = await finish_in_thread(partial(writers, found))
            wrote = {path: self._wrote.of(path) - {holder.pid} for path in found.values()}
        except OSError as error:
            for path in found.values():
                self.doubts(path, f"it cannot be seen who writes to {path}: {error.strerror}")
        else:
            self.drain()
            for inode, path in found.items():
                others, file = users[inode] - {holder.pid}, self._files[path]
                if wrote[path]:
                    # An open file can lie in a socket's queue or in a ring of the kernel's: then it is nobody's that could be found.
                    self.doubts(path, f"somebody wrote to {path} as the VM was started: {_named(wrote[path])}")
                elif others:
                    self.doubts(path, f"{path} is open for writing elsewhere, too: {_named(others)}")
                elif file.state.stage is Stage.HELD and not file.seen:
                    self._put(path, replace(file.state, stirred=False))

    async def has(self, holder: Process, path: str) -> str:
        """Why it cannot be said that `holder` has exactly this file, and what happened to it was its doing."""
        file = self._files[path]
        try:
            writable = (await finish_in_thread(partial(opened, holder.pid))).get(file.inode)
            same = process(holder.pid) == holder
        except OSError as error:
            return f"it cannot be seen what QEMU has open: {error.strerror}"
        if writable is None or not same:
            return f"QEMU opened another file than {path}"
        if file.state.stage is (Stage.OPENED if writable else Stage.FREE) and file.state.by == (holder if writable else None):
            return ""
        return file.state.reason or f"{path} was not opened first by this VM's QEMU"

    def doubts(self, path: str, reason: str) -> None:
        self._put(path, self.state(path).doubted(reason))

    async def _take(self, holder: Process, path: str) -> None:
        file = self._files[path]
        if reason := await finish_in_thread(partial(obstacle, path)):
            file.hopeless = True
            self.doubts(path, reason)
            return
        file.descriptor = _open_unseen(path)
        status = os.fstat(file.descriptor)
        file.inode = status.st_dev, status.st_ino
        writable = (await finish_in_thread(partial(opened, holder.pid))).get(file.inode)
        if writable is None:
            self.doubts(path, f"QEMU has another file open than {path}")
            return
        self._events.watch(path, QUIET, file.descriptor)
        if not writable:
            self._put(path, replace(file.state, stage=Stage.CLOSED, stirred=False))
            await self._rest(path)

    async def _rest(self, path: str) -> None:
        """A closed file: what does it look like?"""
        descriptor = self._files[path].descriptor
        assert descriptor is not None
        self._events.watch(path, ALL, descriptor)
        self._wrote.add(path, descriptor)
        found = await finish_in_thread(partial(at_rest, descriptor))
        self.drain()
        if self.state(path).stage is Stage.CLOSED:
            if self.state(path).stirred:
                self.doubts(path, f"somebody opened {path} just before the VM ended")
            elif found is None:
                self.doubts(path, f"{path} is still open for writing, or its times cannot be relied on")
            else:
                self._put(path, replace(self.state(path), stage=Stage.FREE, facts=found))

    async def _compare(self, path: str) -> None:
        """No event tells of what the kernel itself writes, or somebody through a file system that lies upon the file's own."""
        same = facts(path) == self.state(path).facts
        self.drain()
        if self.state(path).stage is Stage.FREE and not same:
            self.doubts(path, f"{path} was written to, or changed in another way, and nobody was seen to do that")

    async def _identify(self, paths: Collection[str]) -> None:
        """Opened files: by whom, and for what? Those of which that cannot be told yet stay as they are."""
        for path in paths:
            self._files[path].seen = False
        try:
            users = await finish_in_thread(partial(writers, [self._files[path].inode for path in paths]))
        except OSError as error:
            for path in paths:
                self.doubts(path, f"it cannot be seen who opened {path}: {error.strerror}")
            return
        self.drain()
        for path in paths:
            if self.state(path).stage is Stage.OPENING:
                await self._guarded(path, partial(self._name, users[self._files[path].inode]))

    async def _name(self, users: Collection[int | str], path: str) -> None:
        file = self._files[path]
        if not users:
            self._look_again(path, file.seen)
        elif len(users) == 1 and isinstance(pid := next(iter(users)), int):
            with suppress(ProcessLookupError, FileNotFoundError):
                # If it has gone again, its closing is about to be told of.
                self._put(path, replace(file.state, stage=Stage.OPENED, by=process(pid)))
                self._hush(path)
        else:
            self.doubts(path, f"several have {path} open for writing: {_named(users)}")

    def _look_again(self, path: str, once_more: bool) -> None:
        """Was it opened only to be read? Whatever happened before this is judged by its facts, whatever happens after by its events.

        `once_more`: it was opened since it was looked who has it.
        """
        descriptor = _open_unseen(path)
        try:
            # Our own opening is told of here, lest it hide another's that comes right after it.
            self.drain()
            if self.state(path).stage is not Stage.OPENING:
                return
            if not unwritten(descriptor):
                if not once_more:
                    self.doubts(path, f"somebody has {path} open for writing, and it cannot be seen who")
            elif facts(descriptor) == self.state(path).facts:
                self._put(path, replace(self.state(path), stage=Stage.FREE))
            else:
                self.doubts(path, f"{path} was written to, or changed in another way")
            self.drain()
        finally:
            os.close(descriptor)

    def _hush(self, path: str) -> None:
        """Who writes to it is known; it may write much."""
        descriptor = _open_unseen(path)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) == self._files[path].inode:
                self._events.watch(path, QUIET, descriptor)
        finally:
            os.close(descriptor)

    async def _work(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PULSE):
                    await self._changed.wait()
            self._changed.clear()
            self.drain()
            await asyncio.gather(*(self._guarded(path, self._rest) for path in self._in(Stage.CLOSED)))
            for path in self._in(Stage.FREE):
                await self._guarded(path, self._compare)
            if _now() > self._asked + PULSE:
                await self.calm()
            if opening := self._in(Stage.OPENING):
                await self._identify(opening)
            if self._in(Stage.CLOSED, Stage.OPENING):
                await asyncio.sleep(PAUSE)
                self._changed.set()

    async def _guarded(self, path: str, look: Callable[[str], Awaitable[None]]) -> None:
        try:
            await look(path)
        except OSError as error:
            self.doubts(path, f"{path} cannot be watched: {why_not(error)}")

    def _happened(self, path: str | None, happening: Happening) -> None:
        for name in self._files if path is None else (path,):
            file = self._files[name]
            file.seen = file.seen or happening is Happening.OPEN
            self._put(name, after(file.state, happening))

    def _put(self, path: str, state: State) -> None:
        file = self._files[path]
        file.state = state
        if state.stage in (Stage.FREE, Stage.DOUBTED):
            file.drop()

    def _in(self, *stages: Stage) -> list[str]:
        return [path for path, file in self._files.items() if file.state.stage in stages]


def _open_unseen(path: str) -> int:
    """For reading only, so that nobody minds. OSError if it cannot be."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _named(users: Collection[int] | Collection[int | str]) -> str:
    return ", ".join(sorted(f"process {user}" if isinstance(user, int) else f"/dev/{user}" for user in users))


def _now() -> float:
    """Seconds, those included in which this host slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
