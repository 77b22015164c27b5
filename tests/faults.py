"""A store that fails on a schedule. First-class, so that every part can prove what it does when the store does not answer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from understudy.errors import StoreRefused, StoreUnavailable
from understudy.model import BytesLike
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore

T = TypeVar("T")


class Action(Enum):
    FAIL_BEFORE = "fails and did nothing"
    FAIL_AFTER = "took effect, but the answer was lost"
    REFUSE = "says no"
    DELAY = "takes its time"
    LATE = "fails now and takes effect later, at land_late()"
    DIE_BEFORE = "the process is killed before the call"
    DIE_AFTER = "the process is killed after it took effect"


class Call(NamedTuple):
    """One call to the store. `op` is create, get, head, list or delete; `name` is a prefix for list."""

    op: str
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to matching calls number `skip` to `skip + times - 1`; `times=-1`: to all from then on."""

    action: Action
    op: str = "*"
    name: str = "*"
    skip: int = 0
    times: int = 1
    seconds: float = 0.0

    def matches(self, call: Call) -> bool:
        return fnmatchcase(call.op, self.op) and fnmatchcase(call.name, self.name)


@dataclass
class FaultyStore:
    """Wraps a store. The first fault that matches a call and is due decides; `calls` is what was asked so far."""

    inner: ObjectStore
    schedule: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    late: list[tuple[str, bytes]] = field(default_factory=list)
    before: Callable[[Call], None] | None = None
    """Called with every call before anything else: another hook for a test's own mischief."""
    _seen: dict[int, int] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        fault = await self._enter(Call("create", name))
        if fault is not None and fault.action is Action.LATE:
            self.late.append((name, b"".join(bytes(memoryview(part).cast("B")) for part in buffers if len(part))))
            raise StoreUnavailable(f"create {name} timed out (on schedule)")
        return self._leave(fault, Call("create", name), await self.inner.create(name, buffers))

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        fault = await self._enter(Call("get", name))
        return self._leave(fault, Call("get", name), await self.inner.get(name, start, length))

    async def head(self, name: str) -> ObjectInfo | None:
        fault = await self._enter(Call("head", name))
        return self._leave(fault, Call("head", name), await self.inner.head(name))

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        fault = await self._enter(Call("list", prefix))
        async for info in self.inner.list(prefix, start_after):
            yield info
        self._leave(fault, Call("list", prefix), None)

    async def delete(self, name: str) -> bool:
        fault = await self._enter(Call("delete", name))
        return self._leave(fault, Call("delete", name), await self.inner.delete(name))

    async def close(self) -> None:
        await self.inner.close()

    def plan(self, *faults: Fault) -> None:
        """From now on these faults, counted from now on."""
        self.schedule = list(faults)
        self.calls.clear()
        self._seen.clear()

    async def land_late(self) -> tuple[Creation, ...]:
        """The writes that had timed out arrive now."""
        late, self.late = self.late, []
        return tuple([await self.inner.create(name, [data]) for name, data in late])

    async def _enter(self, call: Call) -> Fault | None:
        self.calls.append(call)
        if self.before is not None:
            self.before(call)
        fault = self._due(call)
        match fault and fault.action:
            case Action.FAIL_BEFORE:
                raise StoreUnavailable(f"{call.op} {call.name} failed (on schedule)")
            case Action.REFUSE:
                raise StoreRefused(f"{call.op} {call.name} is refused (on schedule)")
            case Action.DIE_BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.DELAY if fault is not None:
                await asyncio.sleep(fault.seconds)
        return fault

    def _leave(self, fault: Fault | None, call: Call, result: T) -> T:
        match fault and fault.action:
            case Action.FAIL_AFTER:
                raise StoreUnavailable(f"the answer to {call.op} {call.name} was lost (on schedule)")
            case Action.DIE_AFTER:
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    def _due(self, call: Call) -> Fault | None:
        due = None
        for index, fault in enumerate(self.schedule):
            if not fault.matches(call):
                continue
            seen = self._seen.get(index, 0)
            self._seen[index] = seen + 1
            if due is None and seen >= fault.skip and (fault.times < 0 or seen < fault.skip + fault.times):
                due = fault
        return due
