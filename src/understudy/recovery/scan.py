"""Reading a target: which of its blocks differ from a point's, and what its digest is. Holes are not read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from understudy import extents as ext
from understudy.model import BLOCK_SIZE, SIGNATURE_SIZE, Bytes, Extents, Signatures, blocks_of
from understudy.native import blockhash, delta
from understudy.pages import Buffers
from understudy.recovery.lanes import each, spread
from understudy.recovery.progress import Listener, Meter
from understudy.recovery.protocol import DiskContent, Target
from understudy.vault.access import Secrets

UNIT_BLOCKS = 1024
LANES = 4
WINDOW_BLOCKS = 1 << 16
"""Blocks whose signatures are laid out at once: 1 MiB of them for 256 MiB of disk."""


async def digest_of(target: Target, secrets: Secrets, listener: Listener, disk: str) -> int:
    """The disk digest of what `target` holds now: one pass, read, signed and summed LANES units at a time."""
    extents = ext.joined(await target.allocated(), ext.NEAR)
    meter = Meter(listener, "prove", disk, ext.total(extents) * BLOCK_SIZE)
    buffers = Buffers(UNIT_BLOCKS * BLOCK_SIZE)
    total = 0

    async def add(unit: Extents) -> None:
        nonlocal total
        data = buffers.take(ext.total(unit) * BLOCK_SIZE)
        await target.read_into(unit, data)
        part = await asyncio.to_thread(_digest, unit, data, secrets)
        total += part
        meter.add(len(data))
        buffers.give(data)

    await spread(each(ext.units(extents, UNIT_BLOCKS, UNIT_BLOCKS)), add, LANES)
    return total % (1 << 128)


async def differing(target: Target, content: DiskContent, secrets: Secrets, listener: Listener) -> Extents:
    """The blocks that `target` holds otherwise than `content`, found by signature."""
    allocated = ext.joined(await target.allocated(), ext.NEAR)
    meter = Meter(listener, "scan", content.disk.name, ext.total(allocated) * BLOCK_SIZE)
    buffers = Buffers(UNIT_BLOCKS * BLOCK_SIZE)
    found: list[Extents] = []
    blocks = blocks_of(content.disk.size)
    async with aclosing(content.signatures()) as signatures, aclosing(_windows(signatures, allocated, blocks)) as windows:
        async for first, wanted in windows:
            window = np.array([[first, len(wanted)]], dtype=np.int64)
            inside = ext.intersection(_near(allocated, first, len(wanted)), window)
            holes = ext.difference(window, inside)
            missing: NDArray[np.bool_] = np.any(wanted[ext.block_numbers(holes) - first] != 0, axis=1)
            found.append(ext.runs(missing, holes))

            async def compare(unit: Extents, first: int = first, wanted: Signatures = wanted) -> None:
                data = buffers.take(ext.total(unit) * BLOCK_SIZE)
                await target.read_into(unit, data)
                old = wanted[ext.block_numbers(unit) - first]
                mask = np.empty(len(old), dtype=np.uint8)
                if await asyncio.to_thread(delta.differs, data, old, secrets.signature, mask):
                    found.append(ext.runs(mask.astype(np.bool_), unit))
                meter.add(len(data))
                buffers.give(data)

            await spread(each(ext.units(inside, UNIT_BLOCKS, UNIT_BLOCKS)), compare, LANES)
    return ext.union(*found)


def _near(extents: Extents, first: int, count: int) -> Extents:
    """The rows that reach into a range, found without looking at the others."""
    start = np.searchsorted(extents[:, 0] + extents[:, 1], first, side="right")
    return extents[start : np.searchsorted(extents[:, 0], first + count)]


def _digest(unit: Extents, data: Bytes, secrets: Secrets) -> int:
    signatures = np.empty((len(data) // BLOCK_SIZE, SIGNATURE_SIZE), dtype=np.uint8)
    blockhash.sign(data, secrets.signature, signatures)
    return blockhash.digest(unit, signatures, secrets.digest)


async def _windows(
    chunks: AsyncIterator[tuple[Extents, Signatures]], allocated: Extents, blocks: int
) -> AsyncGenerator[tuple[int, Signatures], None]:
    """Ascending signatures of what is not zero, laid out with zeros between, a window at a time; but none where nothing is on either side:
    8 TiB are 32768 of them, which took 4 ms of a processor each."""
    first, window = 0, None
    async for extents, signatures in chunks:
        numbers = ext.block_numbers(extents)
        while len(numbers):
            if window is None:
                first = _onward(allocated, first, int(numbers[0]))
                window = _window(first, blocks)
            inside = int(np.searchsorted(numbers, first + len(window)))
            window[numbers[:inside] - first] = signatures[:inside]
            numbers, signatures = numbers[inside:], signatures[inside:]
            if len(numbers):
                yield first, window
                first, window = first + len(window), None
    while first < blocks:
        if window is None:
            first = _onward(allocated, first, blocks - 1)
            window = _window(first, blocks)
        yield first, window
        first, window = first + len(window), None


def _onward(allocated: Extents, first: int, wanted: int) -> int:
    """Where, from `first` on, the window begins that holds the next block of either side."""
    row = int(np.searchsorted(allocated[:, 0] + allocated[:, 1], first, side="right"))
    near = min(wanted, int(allocated[row, 0])) if row < len(allocated) else wanted
    return max(first, near // WINDOW_BLOCKS * WINDOW_BLOCKS)


def _window(first: int, blocks: int) -> Signatures:
    return np.zeros((min(WINDOW_BLOCKS, blocks - first), SIGNATURE_SIZE), dtype=np.uint8)
