"""Every frame that points need opens, decompresses, and holds what its pack's index says. Each is examined once for all points."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy import extents as ext
from understudy.errors import IntegrityError
from understudy.model import BLOCK_SIZE, Rows, Signatures
from understudy.native import blockhash
from understudy.native.layout import KIND_ZERO
from understudy.recovery.lanes import each, spread
from understudy.recovery.ledger import Ledger
from understudy.recovery.progress import Meter
from understudy.recovery.unreadable import UNREADABLE
from understudy.vault import names
from understudy.vault.kinds import PackRef
from understudy.vault.maps.diskmap import PackAt, PackTable, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.reader import DiskReader, SignedBlocks
from understudy.vault.packs.pack_fetch import fetch_footer, fetch_key

LANES = 3
"""Packs under examination at once, or as many more as are worth it over a long link."""

Keys = NDArray[np.uint64]
"""Pack, frame number, and which of the frame's blocks: what a row of a map needs, as one number."""


@dataclass(slots=True)
class FrameCheck:
    """Remembers across points what was examined, and what of it is bad."""

    history: History
    ledger: Ledger
    table: PackTable = field(default_factory=PackTable)
    seen: Keys = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    bad: dict[int, str] = field(default_factory=dict)
    """Names in the ledger by key."""

    async def examine(self, reader: DiskReader, meter: Meter) -> set[str]:
        """Examine what is new in this map; the names of everything damaged that it needs."""
        mapped = reader.map
        rows = repack(mapped.rows, mapped.packs, self.table)
        rows = rows[rows["kind"] != KIND_ZERO]
        keys = _keys(rows)
        new = ~np.isin(keys, self.seen)
        meter.total += int(rows["blocks"][new].sum()) * BLOCK_SIZE
        packs = np.unique(rows["pack"][new]).tolist()

        async def pack_of(index: int) -> None:
            mine = rows[new & (rows["pack"] == index)]
            await self._pack(reader, self.table.packs[index], mine, meter)

        # How much of them is in memory at once the reader says.
        await spread(each(packs), pack_of, max(LANES, self.history.store.capabilities.parallel))
        self.seen = np.union1d(self.seen, keys[new])
        hit = keys[np.isin(keys, np.fromiter(self.bad, dtype=np.uint64, count=len(self.bad)))]
        return {self.bad[key] for key in hit.tolist()}

    async def _pack(self, reader: DiskReader, pack: PackAt, rows: Rows, meter: Meter) -> None:
        try:
            await self._agree(reader, rows)
        except UNREADABLE as error:
            name = name_of(self.history, pack)
            self.ledger.note(name, error.message)
            lost = rows if await self._wholly_lost(reader, pack) else await self._narrow(reader, rows)
            self.bad.update(dict.fromkeys(_keys(lost).tolist(), name))
        meter.add(int(rows["blocks"].sum()) * BLOCK_SIZE)

    async def _agree(self, reader: DiskReader, rows: Rows) -> None:
        """IntegrityError unless the rows' blocks can be read and have the signatures that the index gives them."""
        extents = np.stack([rows["first"].astype(np.int64), rows["blocks"].astype(np.int64)], axis=1)
        async with aclosing(reader.signed_stream(extents)) as units:
            async for unit in units:
                await asyncio.to_thread(_compare, unit, self.history.access.secrets.signature)

    async def _wholly_lost(self, reader: DiskReader, pack: PackAt) -> bool:
        """Whether the pack is another object or cannot be opened at all, so that asking for each of its frames is idle."""
        try:
            await reader.source.must_end(pack)
            if pack.seq:
                await self.history.inline_pack(pack)
            else:
                ref = PackRef(id=pack.id, size=pack.size, hash=pack.hash)
                await fetch_key(self.history.store, self.history.access, self.history.machine_id, ref)
                await fetch_footer(self.history.store, self.history.access, self.history.machine_id, ref)
        except UNREADABLE:
            return True
        return False

    async def _narrow(self, reader: DiskReader, rows: Rows) -> Rows:
        """Of rows some of which are bad, those that are."""
        if len(rows) == 1:
            return rows
        bad: list[Rows] = []
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            try:
                await self._agree(reader, half)
            except UNREADABLE:
                bad.append(await self._narrow(reader, half))
        # Bad together, good apart: a store that answers now and then. Nothing is lost then.
        return np.concatenate(bad) if bad else rows[:0]


def name_of(history: History, pack: PackAt) -> str:
    """What carries a pack: its object, or a record."""
    return f"record {pack.seq}" if pack.seq else names.pack(history.machine_id, pack.id.hex())


def _keys(rows: Rows) -> Keys:
    """Packs are fewer than 2^32, numbers in a pack than 2^18; skip is below 64, blocks at most 64."""
    pack, number, skip, blocks = (rows[column].astype(np.uint64) for column in ("pack", "number", "skip", "blocks"))
    keys: Keys = (((pack << np.uint64(18)) | number) << np.uint64(12)) | (skip << np.uint64(6)) | (blocks - np.uint64(1))
    return keys


def _compare(unit: SignedBlocks, secret: NDArray[np.uint8]) -> None:
    signatures: Signatures = np.empty_like(unit.signatures)
    blockhash.sign(unit.data, secret, signatures)
    wrong = np.flatnonzero(np.any(signatures != unit.signatures, axis=1))
    if len(wrong):
        raise IntegrityError(
            f"block {int(ext.block_numbers(unit.extents)[wrong[0]])} does not have the signature that its pack's index says"
        )
