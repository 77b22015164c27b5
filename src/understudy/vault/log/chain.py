"""One log in the store: read on from where it was left, remember how far, put the next record. Knows no kinds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from understudy.errors import Conflict, InDoubt, IntegrityError, NotFound, RolledBack, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.finish import finish_in_thread
from understudy.store.protocol import Creation, ObjectInfo, ObjectStore
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.log import attempt, guard, lock
from understudy.vault.log.attempt import Attempt
from understudy.vault.log.patience import Patience
from understudy.vault.log.record import MAX_RECORD, Head, Opened, open_record, record_hash
from understudy.vault.memory import Memory

WINDOW = 64
"""Records read at once."""


STALL = 60.0
"""Seconds, also of a suspended host, after which a writer looks closer at whether its slot was really free."""


def clock() -> float:
    """Seconds since this host's boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Missing(IntegrityError):
    """A record that should be there is not: perhaps it was trimmed."""


class Place(NamedTuple):
    """Where a vault is and how it is reached: what every log of it has in common."""

    store: ObjectStore
    access: Access
    memory: Memory | None
    patience: Patience
    salvage: bool = False
    """Logs are read past what is damaged in them, and nothing can be appended."""
    copy: str = ""
    """The id, in hex, of the copy of a vault that this is: until it is promoted nothing can be appended."""


class Chain:
    """`head` is the last record that the reader has accepted by `advance`."""

    def __init__(self, place: Place, owner: str) -> None:
        self.owner = owner
        self.head = self._start = self._seen = Head()
        self._place = place
        self._turn = asyncio.Lock()

    @property
    def in_doubt(self) -> bool:
        return self._place.memory is not None and self._attempt().exists()

    async def read_on(self) -> AsyncGenerator[Opened, None]:
        """Every record after `head`, in order; the reader calls `advance` for each.

        `IntegrityError` for a record that is damaged or missing, `RolledBack` if the log lacks what this site has seen of it.
        """
        # Before the listing: another process of this host may append and remember at any moment.
        seen = self._seen = await self.remembered()
        if self.head != self._start and not await self._grew():
            self._must_reach(seen, self.head)
            return
        before, number = self.head, self.head.seq
        window: list[ObjectInfo] = []
        async for info in self._place.store.list(names.log(self.owner), names.record(self.owner, self.head.seq)):
            number += 1
            self._must_be(number, info)
            window.append(info)
            if len(window) == WINDOW:
                async for opened in self._fetch(before, window, seen):
                    yield opened
                    before = Head(opened.seq, opened.hash)
                window = []
        async for opened in self._fetch(before, window, seen):
            yield opened
            before = Head(opened.seq, opened.hash)
        self._must_reach(seen, before)

    def advance(self, opened: Opened) -> None:
        self.head = Head(opened.seq, opened.hash)

    def advance_past(self, seq: int) -> None:
        """The record of this number cannot be read: what follows it cannot be held against it."""
        self.head = Head(seq, b"")

    def begin(self, head: Head) -> None:
        """Go on after `head`, whatever was read so far; an empty head: read again from the beginning."""
        self.head = self._start = head

    def go_by(self, place: Place) -> None:
        """Read there from now on."""
        self._place = place

    def stand_with(self, other: "Chain") -> None:
        """Go on where `other` stands."""
        self.head, self._start = other.head, other._start

    async def must_stand(self) -> None:
        """`RolledBack` if another record than the last lies in its place now; one that is gone is for `read_on` to judge."""
        last = await self._last()
        if last is not None and record_hash(last) != self.head.hash:
            raise guard.rolled_back(self.owner, self.head, self.head.seq)

    async def goes_on(self) -> bool:
        """Whether the store has a record after `head`."""
        return await self._place.store.head(names.record(self.owner, self.head.seq + 1)) is not None

    async def ends_here(self) -> bool:
        """Whether the store has the last record as it was read, and none after it."""
        goes_on, last = await asyncio.gather(self.goes_on(), self._last())
        same = not self.head.seq if last is None else record_hash(last) == self.head.hash
        return not goes_on and same

    async def _last(self) -> bytes | None:
        """What the store has in the last record's place; None where none was read, or it is gone."""
        if self.head.seq:
            with contextlib.suppress(NotFound):
                return bytes(await self._place.store.get(names.record(self.owner, self.head.seq), 0, MAX_RECORD + 1))
        return None

    async def remember(self, *, must: bool = True) -> None:
        """From now on this site refuses a vault without `head`. If it did already when reading on began, nothing is written. `must`: as
        `guard.remember` has it."""
        if self._place.memory is None or self._place.salvage or not self.head.seq:
            return
        mark = self._place.memory.guard(self.owner)
        if self.head == self._seen and not guard.waits(mark):
            return
        await finish_in_thread(partial(guard.remember, mark, self.head, must=must))
        self._seen = self.head

    async def must_still_end_here(self) -> None:
        """`RolledBack` if the store has lost the last record since it was read: nothing may be appended after a gap."""
        if self.head.seq and await self._place.store.head(names.record(self.owner, self.head.seq)) is None:
            raise guard.rolled_back(self.owner, self.head, self.head.seq - 1)

    @contextlib.asynccontextmanager
    async def appending(self) -> AsyncIterator[None]:
        """One append at a time, in this process and on this host."""
        if self._place.memory is None or self._place.salvage:
            raise Conflict("this vault was opened for reading only", hint="give a state directory: appending needs a memory that survives")
        async with self._turn, lock.briefly(self._place.memory.appending(self.owner) / "append.lock", self.owner):
            yield

    async def settle(self) -> bool:
        """Bring an attempt that was left to its end; True if there was one. Within `appending`; `InDoubt` if still unknown.

        The caller reads on and then calls `settled`, which is `RolledBack` if the vault has nothing that the attempt could follow:
        nothing is put then.
        """
        left = await finish_in_thread(partial(attempt.load, self._attempt()))
        if left is None:
            return False
        if left.seq > (await self.remembered()).seq and await self._can_follow(left):
            await self._put(left, unsure=True)
        return True

    async def _can_follow(self, left: Attempt) -> bool:
        """If the record before is not there, the vault went back, or both slots were taken long ago and trimmed."""
        if left.seq == 1:
            return True
        try:
            return await self._place.store.head(names.record(self.owner, left.seq - 1)) is not None
        except (StoreUnavailable, StoreRefused) as error:
            raise self._in_doubt(left, error) from error

    async def settled(self) -> None:
        """The attempt's slot is known to be occupied and `head` has passed it: forget the attempt."""
        left = await finish_in_thread(partial(attempt.load, self._attempt()))
        if left is not None and left.seq > self.head.seq:
            raise guard.rolled_back(self.owner, Head(left.seq - 1), None)
        await self.remember()
        await finish_in_thread(partial(attempt.drop, self._attempt()))

    async def put(self, data: bytes) -> bool:
        """Try to make `data` the record after `head`: True if it is, False if another one is, or was, there. Within `appending`.

        `InDoubt`: unknown, and kept for `settle`. Otherwise the caller reads on and then calls `settled`.
        """
        next_ = Attempt(self.head.seq + 1, data)
        await finish_in_thread(partial(attempt.save, self._attempt(), next_))
        return await self._put(next_, unsure=False)

    async def _put(self, next_: Attempt, *, unsure: bool) -> bool:
        name = names.record(self.owner, next_.seq)
        waits = self._place.patience.waits()
        began = clock()
        while True:
            try:
                if await self._place.store.create(name, [next_.data]) is Creation.EXISTS:
                    unsure = True  # ours from an earlier try that a store repeated by itself, or another's
                    if bytes(await self._place.store.get(name, 0, MAX_RECORD + 1)) != next_.data:
                        return False
                unsure = True
                return await self._is_in_the_log(next_.seq, clock() - began > STALL)
            except StoreRefused as error:
                if not unsure:
                    # Never put before and refused now: it will not appear later either.
                    await finish_in_thread(partial(attempt.drop, self._attempt()))
                    raise
                raise self._in_doubt(next_, error) from error
            except (StoreUnavailable, NotFound) as error:
                unsure = True
                wait = next(waits, None)
                if wait is None:
                    raise self._in_doubt(next_, error) from error
            await asyncio.sleep(wait)

    async def _is_in_the_log(self, seq: int, stalled: bool) -> bool:
        """Whether what lies in this slot now is a record, and not what came too late into a slot that was taken before and trimmed.

        Records are deleted in ascending order, and never the first: while the one before is there, this slot was never emptied.
        Unless that one came too late itself; so whoever stalled must also find nothing, or the next record, after it: behind what
        was trimmed lies more.
        """
        if seq > 2 and await self._place.store.head(names.record(self.owner, seq - 1)) is None:
            return False
        if seq == 2 or stalled:
            following = await anext(self._place.store.list(names.log(self.owner), names.record(self.owner, seq)), None)
            return following is None or following.name == names.record(self.owner, seq + 1)
        return True

    def _in_doubt(self, next_: Attempt, error: UnderstudyError) -> InDoubt:
        again = "nothing is lost: the same record is put again, byte for byte, until the store answers"
        return InDoubt(
            f"the store did not say whether record {next_.seq} of {self.owner} was written: {error.message}",
            hint=f"{error.hint}; {again}" if error.hint else again,
        )

    def _attempt(self) -> Path:
        assert self._place.memory is not None
        return self._place.memory.appending(self.owner) / "attempt"

    async def remembered(self) -> Head:
        """What this site has seen of the log."""
        if self._place.memory is None:
            return Head()
        return await finish_in_thread(partial(_remembered, self._place.memory, self.owner))

    async def _grew(self) -> bool:
        """Whether there is a record after `head`, which must itself still be there."""
        goes_on, _ = await asyncio.gather(self.goes_on(), self.must_still_end_here())
        return goes_on

    def _must_be(self, number: int, info: ObjectInfo) -> None:
        if info.name != names.record(self.owner, number):
            raise Missing(
                f"record {number} of {self.owner} is missing: {info.name} comes next",
                hint="restore it from a copy of the vault; if that next object is no record of yours, an operator may delete it",
            )
        if info.size > MAX_RECORD:
            raise IntegrityError(
                f"record {number} of {self.owner} is too large to be one", hint="restore this object from a copy of the vault"
            )

    def _must_reach(self, seen: Head, end: Head) -> None:
        if seen.seq > end.seq or (seen.seq == end.seq and seen.hash != end.hash):
            raise guard.rolled_back(self.owner, seen, end.seq)

    async def _fetch(self, before: Head, window: list[ObjectInfo], seen: Head) -> AsyncIterator[Opened]:
        try:
            objects = await asyncio.gather(*(self._place.store.get(info.name, 0, MAX_RECORD + 1) for info in window))
        except NotFound as error:
            raise Missing(f"a record of {self.owner} vanished while it was read", hint="who deletes objects in it?") from error
        records, damage = await asyncio.to_thread(self._open, before, list(map(bytes, objects)))
        for opened in records:
            if opened.seq == seen.seq and opened.hash != seen.hash:
                raise guard.rolled_back(self.owner, seen, opened.seq)
            yield opened
        if damage is not None:
            raise damage

    def _open(self, before: Head, objects: list[bytes]) -> tuple[list[Opened], IntegrityError | None]:
        """All that come before a damaged one, and the damage: what is whole can still be told."""
        records: list[Opened] = []
        for data in objects:
            try:
                opened = open_record(self._place.access, self.owner, before.seq + 1, before.hash, data)
            except IntegrityError as error:
                return records, error
            records.append(opened)
            before = Head(opened.seq, opened.hash)
        return records, None


def _remembered(memory: Memory, owner: str) -> Head:
    if not memory.is_current:
        raise RolledBack(
            "this site has followed the promotion of a copy of this vault since it was opened here",
            hint="name the promoted copy as the vault, and begin again",
        )
    return guard.remembered(memory.guard(owner))
