"""One log of the copy: where it ends, and how it goes on, record by record, behind what the records name."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from understudy.errors import Diverged, IntegrityError, NotFound
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.concurrent import each
from understudy.vault.copy.ferry import Ferry, damaged, diverged
from understudy.vault.copy.leap import Leap, end_leap, leap
from understudy.vault.kinds import Body
from understudy.vault.log.record import MAX_RECORD, Head, decode_body, decode_envelope, open_record, record_hash

WINDOW = 64
"""Records in memory at once, of 64 KiB at most. What they name is copied before the first of them."""


class Record(NamedTuple):
    """`body`: None for what nobody can read, or of a kind that is not known: it is copied all the same."""

    seq: int
    data: bytes
    body: Body | None


Brings = Callable[[Sequence[Record]], Awaitable[None]]
"""What these records name is in the copy when it returns."""


class Trail:
    def __init__(self, ferry: Ferry, access: Access, owner: str, end: Head | None = None) -> None:
        """`end`: where the copy's log ended when it was looked at last; None: unknown."""
        self.end = end
        self._leaps = 0
        """The newest leap's number when the end was looked for."""
        self._ferry = ferry
        self._access = access
        self._owner = owner

    async def find(self, head: int) -> Head:
        """Where the copy's log ends. `Diverged` unless it is the beginning of the vault's, whose last record is number `head`;
        `IntegrityError` if the record where it ends is damaged."""
        if self.end is None:
            self.end = await self._last()
            await self._must_be_same(self.end)
        # Where more is to come, what lies in its place is met then.
        if self.end.seq > head or (self.end.seq == head and await self._ferry.target.head(self._name(head + 1)) is not None):
            # Another site may be bringing the copy on, too, and have seen more of the vault.
            self.end = await self._last()
            await self._must_be_same(self.end)
        return self.end

    async def go_on(self, up_to: int, bring: Brings) -> None:
        """Copy the records up to this number. `Missing` where the vault lacks one: it may have been trimmed."""
        assert self.end is not None
        while self.end.seq < up_to:
            window = await self.read(self.end.seq + 1, min(up_to, self.end.seq + WINDOW))
            await bring(window)
            for record in window:
                await self._put(record)

    async def stage(self, records: Sequence[Record]) -> None:
        """Lay records beside the log, for `leap`."""

        async def put(record: Record) -> None:
            await self._ferry.put(names.staged(self._owner, record.seq), record.data)

        await each(WINDOW // 4, put, records)

    async def leap(self, over: Leap) -> bool:
        """The log goes on with these records, all of them staged. False if it was brought on by somebody else: look again."""
        if not await leap(self._ferry.target, self._owner, over, self._leaps):
            return False
        self._leaps += 1
        last = await self.read(over.last, over.last)
        self.end = Head(over.last, record_hash(last[0].data))
        return True

    async def read(self, first: int, last: int) -> list[Record]:
        """Records of the vault. `Missing` for one that is not there."""
        return await each(WINDOW // 4, self._read, range(first, last + 1))

    async def _put(self, record: Record) -> None:
        await self._ferry.put(self._name(record.seq), record.data)
        self.end = Head(record.seq, record_hash(record.data))

    async def _read(self, seq: int) -> Record:
        try:
            data = bytes(await self._ferry.source.get(self._name(seq), 0, MAX_RECORD + 1))
        except NotFound as error:
            raise Missing(
                f"record {seq} of {self._owner} is missing in the vault", hint="`understudy verify` tells what else is"
            ) from error
        opened = open_record(self._access, self._owner, seq, b"", data)
        if not opened.signer:
            return Record(seq, data, None)
        try:
            return Record(seq, data, decode_body(decode_envelope(opened, self._owner), seq, self._owner))
        except IntegrityError:
            return Record(seq, data, None)

    async def _last(self) -> Head:
        self._leaps = (await end_leap(self._ferry.target, self._owner)).number
        last = ""
        after = names.record(self._owner, self.end.seq) if self.end is not None and self.end.seq else ""
        async for info in self._ferry.target.list(names.log(self._owner), after):
            last = info.name
        if not last:
            return self.end or Head()
        seq = names.number_of(self._owner, last)
        if seq is None:
            raise diverged(last)
        return Head(seq, record_hash(bytes(await self._ferry.target.get(last, 0, MAX_RECORD + 1))))

    async def _must_be_same(self, end: Head) -> None:
        """Each record carries the hash of the one before: where one is the same, all before it are."""
        if not end.seq:
            return
        try:
            mine = record_hash(bytes(await self._ferry.source.get(self._name(end.seq), 0, MAX_RECORD + 1)))
        except NotFound:
            if await self._is_trimmed(end.seq):
                return
            raise self._beyond(end.seq) from None
        if mine == end.hash:
            return
        if not opens(self._access, self._owner, end.seq, bytes(await self._ferry.target.get(self._name(end.seq), 0, MAX_RECORD + 1))):
            raise damaged(self._name(end.seq))
        raise self._beyond(end.seq)

    async def _is_trimmed(self, seq: int) -> bool:
        """The vault goes on after it."""
        return await anext(self._ferry.source.list(names.log(self._owner), self._name(seq)), None) is not None

    def _beyond(self, seq: int) -> Diverged:
        return Diverged(
            f"the copy's {self._owner} has a record {seq} that the vault has not: somebody has written to it, or it was promoted",
            hint="if it was promoted, it is the vault now; else find out who wrote there, and make a new copy in an empty place",
        )

    def _name(self, seq: int) -> str:
        return names.record(self._owner, seq)


def opens(access: Access, owner: str, seq: int, data: bytes) -> bool:
    """Somebody who had the vault's keys wrote it for this place."""
    try:
        return bool(open_record(access, owner, seq, b"", data).signer)
    except IntegrityError:
        return False


class Missing(IntegrityError):
    """A record of the vault that should be there is not: perhaps it was trimmed. Shown only where no trim says so."""
