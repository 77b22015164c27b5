"""What the settings log and a machine's log have in common: follow the chain, append at its end."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace

from understudy.errors import Conflict, IntegrityError, RolledBack
from understudy.vault.keys.identity import Bundle
from understudy.vault.kinds import Body
from understudy.vault.log.chain import Chain, Missing, Place, clock
from understudy.vault.log.judge import Record
from understudy.vault.log.record import Head, Opened, open_record, seal_record
from understudy.vault.log.salvage import Gap, salvaged, tell
from understudy.vault.log.staged import Bridged, bridged


def _always() -> None:
    """No condition."""


class BaseLog(ABC):
    """Safe to use from several tasks of one process, and from several processes."""

    def __init__(self, place: Place, owner: str, bundle: Bundle, writer: bytes) -> None:
        self._place = place
        self._chain = Chain(place, owner)
        self._bundle = bundle
        self._writer = writer
        self._turn = asyncio.Lock()
        self._gaps: list[Gap] = []
        self._asked = self._answered = 0
        self._known_at = self._whole_at = 0.0

    @property
    def writer(self) -> bytes:
        """This run's id, 16 random bytes."""
        return self._writer

    @property
    def head(self) -> Head:
        """The last record that was read."""
        return self._chain.head

    @property
    def known_at(self) -> float:
        """When the look began that last found nothing after `head` (`clock`)."""
        return self._known_at

    @property
    def whole_at(self) -> float:
        """When the look began that last found `head` in its place besides, and learnt who is trusted (`clock`)."""
        return self._whole_at

    @property
    def damage(self) -> tuple[tuple[str, str], ...]:
        """Objects of the log that a salvaging reader had to do without, and what is wrong with each."""
        return tell(self._chain.owner, self._gaps)

    @property
    def in_doubt(self) -> bool:
        """Whether an append of this host waits for `settle`."""
        return self._chain.in_doubt

    async def refresh(self) -> None:
        """Read to the end of the log. `IntegrityError`, `RolledBack`; what came before the damage is known then.

        Of many who ask at once those that have to wait share one reading, which begins after all of them asked.
        """
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._answered < mine:
                all_of_them, at = self._asked, clock()
                await self._prepare()
                await self._read_on()
                self._known_at = self._whole_at = at
                self._answered = all_of_them

    async def settle(self) -> None:
        """Resolve an append that an earlier call or run left in doubt, and read to the end. `InDoubt` if the store still does not tell."""
        await self._must_be_the_vault()
        async with self._turn, self._chain.appending():
            await self._prepare()
            if not await self._settle():
                await self._read_on()

    async def _append(self, body: Body, still: Callable[[], None] = _always) -> Record:
        """Append after whatever is last, as often as another record was there first, while `_check` and `still` allow it."""
        await self._must_be_the_vault()
        async with self._turn, self._chain.appending():
            await self._settle()
            while True:
                at = clock()
                await self._prepare()
                await self._must_still_end_here()
                still()  # first: what somebody else has said in between is the reason why it would not count
                await self._check(body)
                head = self._chain.head
                data = self._seal(head, body)
                if await self._chain.put(data):
                    record = await self._accept(open_record(self._place.access, self._chain.owner, head.seq + 1, head.hash, data))
                    self._taken()
                    self._known_at = self._whole_at = at
                    await self._chain.settled()
                    if record.void:
                        raise Conflict(f"record {record.seq} was written but does not count: {record.void}")
                    return record
                await self._read_on()
                if self._chain.head.seq <= head.seq:
                    raise IntegrityError(
                        f"the store says that record {head.seq + 1} of {self._chain.owner} exists, but does not list it",
                        hint="this store does not keep its promises; do not use it",
                    )
                await self._chain.settled()

    async def _settle(self) -> bool:
        if not await self._chain.settle():
            return False
        await self._read_on()
        await self._chain.settled()
        return True

    async def _read_on(self) -> None:
        try:
            if self._place.salvage:
                await self._salvage()
                return
            await self._follow()
        finally:
            self._taken()
        await self._chain.remember(must=False)

    async def _follow(self, until: int = 0) -> None:
        """Take every record that there is, or those up to `until`."""
        while True:
            try:
                async with aclosing(self._chain.read_on()) as records:
                    async for opened in records:
                        await self._accept(opened)
                        if opened.seq == until:
                            return
                return
            except (Missing, RolledBack):
                # What is not there may have been trimmed: then a trim says so, and leads further than this.
                # Twice: while it was looked for, that trim itself may have been trimmed by a newer one.
                if not (await self._anchor() or await self._anchor() or await self._bridge()):
                    raise

    async def _bridge(self) -> bool:
        """Of a copy that is being brought on, read what is missing where it waits; False if nothing does, or that is done already."""
        if isinstance(self._place.store, Bridged):
            return False
        store = await bridged(self._place.store, self._chain.owner)
        if store is not None:
            self._place = self._place._replace(store=store)
            self._chain.go_by(self._place)
        return store is not None

    async def _must_still_end_here(self) -> None:
        """`RolledBack` if the store has lost the last record since it was read; unless the log was trimmed beyond it."""
        try:
            await self._chain.must_still_end_here()
        except RolledBack:
            await self._read_on()

    async def _salvage(self) -> None:
        if not self._chain.head.seq:
            await self._bridge()
            with suppress(IntegrityError):
                await self._anchor()
        head = self._chain.head
        async for found in salvaged(self._place.store, self._place.access, self._chain.owner, head.seq + 1, head.hash):
            if isinstance(found, Gap):
                self._skip(found)
                continue
            try:
                await self._accept(found)
            except IntegrityError as error:
                await self._accept_alone(found, error)
        seen = (await self._chain.remembered()).seq
        if seen > self._chain.head.seq:
            self._skip(Gap(self._chain.head.seq + 1, seen, "is missing, and this site has seen it"))

    async def _accept_alone(self, opened: Opened, error: IntegrityError) -> None:
        """It does not follow what lies before it, or is malformed: the one or the other is not what was written there."""
        exchanged = Gap(opened.seq - 1, opened.seq - 1, "is not the one that the record after it follows")
        if opened.before:
            self._miss()
            try:
                await self._accept(replace(opened, before=b""))
            except IntegrityError:
                pass
            else:
                self._gaps.append(exchanged)
                return
        self._skip(Gap(opened.seq, opened.seq, f"does not count: {error.message}"))

    def _skip(self, gap: Gap) -> None:
        self._gaps.append(gap)
        self._miss()
        self._chain.advance_past(gap.last)

    async def _accept(self, opened: Opened) -> Record:
        record = await self._take(opened)
        self._chain.advance(opened)
        return record

    def _seal(self, head: Head, body: Body) -> bytes:
        key, epoch = self._bundle.signing_key, self._epoch()
        return seal_record(self._place.access, self._chain.owner, head, key, body, epoch=epoch, writer=self._writer, at=time.time_ns())

    @abstractmethod
    async def _must_be_the_vault(self) -> None:
        """`Conflict` if this is a copy that was not promoted, or was given up for one: nothing is appended then."""

    @abstractmethod
    async def _prepare(self) -> None:
        """Learn of anything that `_take` and `_check` need; perhaps begin anew."""

    @abstractmethod
    async def _take(self, opened: Opened) -> Record:
        """Judge one more record and fold it in, with what its side object says. Raises before anything was folded, or not at all."""

    @abstractmethod
    async def _anchor(self) -> bool:
        """Begin anew at a trim that speaks of more than was read so far; False if there is none."""

    @abstractmethod
    def _miss(self) -> None:
        """Records in between cannot be read: fold in that something is not known."""

    @abstractmethod
    def _taken(self) -> None:
        """Some records were taken: publish the new state."""

    @abstractmethod
    async def _check(self, body: Body) -> None:
        """Raise unless `body` may be appended now."""

    @abstractmethod
    def _epoch(self) -> int:
        """What the next record's envelope says."""
