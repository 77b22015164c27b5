"""A machine's history in memory: what the vault's reader gives, without a vault."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from understudy import extents as ext
from understudy.errors import IntegrityError
from understudy.model import BLOCK_SIZE, Bytes, Extents, Signatures, blocks_of
from understudy.native import blockhash
from understudy.pages import Buffers
from understudy.recovery.disk_work import MachineContent
from understudy.vault.access import Secrets
from understudy.vault.kinds import PointDisk

VAULT, MACHINE = "11" * 16, "22" * 16
SECRETS = Secrets.derive(bytes(32), VAULT)
PIECE_BLOCKS = 256


@dataclass
class MemoryDisk:
    """One disk at one point. `damaged`: a block that cannot be read; `unmapped`: one whose place in the vault cannot be told."""

    disk: PointDisk
    blocks: Bytes
    damaged: int | None = None
    unmapped: int | None = None
    streamed: list[int] = field(default_factory=list)

    @property
    def bytes(self) -> bytes:
        return self.blocks[: self.disk.size].tobytes()

    def data(self) -> Extents:
        used: np.ndarray = np.any(self.blocks.reshape(-1, BLOCK_SIZE) != 0, axis=1)
        return ext.runs(used, ext.whole(len(used)))

    async def stream(self, extents: Extents, _: Buffers) -> AsyncGenerator[tuple[Extents, Bytes], None]:
        for unit in ext.units(extents, PIECE_BLOCKS, 64):
            numbers = ext.block_numbers(unit)
            if self.damaged is not None and self.damaged in numbers:
                raise IntegrityError("pack 00 does not open")
            self.streamed.extend(numbers.tolist())
            yield unit, self.blocks.reshape(-1, BLOCK_SIZE)[numbers].reshape(-1)

    async def signatures(self) -> AsyncGenerator[tuple[Extents, Signatures], None]:
        for unit in ext.units(self.data(), 3 * PIECE_BLOCKS, 64):
            yield unit, signed(self.blocks.reshape(-1, BLOCK_SIZE)[ext.block_numbers(unit)].reshape(-1))

    def ranges(self) -> Extents:
        """Three, of which one is small."""
        blocks = blocks_of(self.disk.size)
        first = np.unique(np.minimum([0, 3, blocks // 2], max(blocks - 1, 0)))
        return np.stack([first, np.diff(np.append(first, blocks))], axis=1)

    async def part(self, first: int, blocks: int) -> "MemoryPart":
        if self.unmapped is not None and first <= self.unmapped < first + blocks:
            raise IntegrityError("checkpoint 00: page 0 does not open")
        return MemoryPart(self, np.array([[first, blocks]]))

    def differing(self, other: "MemoryDisk") -> Extents:
        longest = max(len(self.blocks), len(other.blocks))
        a, b = (np.pad(blocks, (0, longest - len(blocks))).reshape(-1, BLOCK_SIZE) for blocks in (self.blocks, other.blocks))
        changed: np.ndarray = np.any(a != b, axis=1)
        return ext.runs(changed, ext.whole(len(changed)))


@dataclass
class MemoryPart:
    """A range of a disk."""

    whole: MemoryDisk
    range: Extents

    def data(self) -> Extents:
        return ext.intersection(self.whole.data(), self.range)

    def stream(self, extents: Extents, buffers: Buffers) -> AsyncGenerator[tuple[Extents, Bytes], None]:
        assert not len(ext.difference(extents, self.data()))
        return self.whole.stream(extents, buffers)

    def differing(self, other: "MemoryPart") -> Extents:
        assert self.range.tolist() == other.range.tolist()
        return ext.intersection(self.whole.differing(other.whole), self.range)


def signed(data: Bytes) -> Signatures:
    signatures = np.empty((len(data) // BLOCK_SIZE, 16), dtype=np.uint8)
    blockhash.sign(np.ascontiguousarray(data), SECRETS.signature, signatures)
    return signatures


def disk(name: str, blocks: Bytes, size: int, sector: int = 512) -> MemoryDisk:
    """`blocks` beyond `size` are cut off."""
    padded = np.zeros(blocks_of(size) * BLOCK_SIZE, dtype=np.uint8)
    padded[: min(size, len(blocks))] = blocks[: min(size, len(blocks))]
    digest = blockhash.digest(ext.whole(blocks_of(size)), signed(padded), SECRETS.digest)
    identity = name.encode().ljust(16, b"\0")
    return MemoryDisk(PointDisk(id=identity, name=name, size=size, sector=sector, digest=digest.to_bytes(16, "big")), padded)


def point(number: int, *disks: MemoryDisk) -> MachineContent:
    return MachineContent(VAULT, MACHINE, f"{number:032x}", SECRETS, {item.disk.name: item for item in disks})


def history(size: int, points: int, seed: int = 0, name: str = "vda", sector: int = 512) -> list[MachineContent]:
    """A sparse disk of `size` bytes, then each time some runs rewritten and some made zero."""
    random = np.random.default_rng(seed)
    count = blocks_of(size)
    blocks = np.zeros(count * BLOCK_SIZE, dtype=np.uint8)
    for start in range(0, count, 64):
        if random.random() < 0.4:
            length = min(int(random.integers(1, 64)), count - start) * BLOCK_SIZE
            blocks[start * BLOCK_SIZE : start * BLOCK_SIZE + length] = random.integers(0, 256, length, dtype=np.uint8)
    made = [point(1, disk(name, blocks, size, sector))]
    for number in range(2, points + 1):
        for _ in range(max(1, count // 400)):
            start = int(random.integers(0, count)) * BLOCK_SIZE
            end = min(start + int(random.integers(1, 9)) * BLOCK_SIZE, len(blocks))
            blocks[start:end] = 0 if random.random() < 0.3 else random.integers(0, 256, end - start, dtype=np.uint8)
        made.append(point(number, disk(name, blocks, size, sector)))
    return made


def finder(points: list[MachineContent]):
    async def find(wanted: str) -> MachineContent | None:
        return next((item for item in points if item.point == wanted), None)

    return find


def expected(content: MachineContent, name: str = "vda") -> bytes:
    item = content.disks[name]
    assert isinstance(item, MemoryDisk)
    return item.bytes


def leftovers(directory: Path) -> set[str]:
    """Names there that are neither images nor sidecars."""
    return {path.name for path in directory.iterdir() if path.name.endswith((".partial", ".new"))}
