"""A vault in a dictionary, disks as numbered blocks, and points made of them with real packs."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import blake2b, shake_128

import numpy as np
from nacl.public import PrivateKey
from xxhash import xxh3_128

from understudy.errors import NotFound
from understudy.model import BLOCK_SIZE, Bytes, BytesLike, Extents
from understudy.native.layout import FRAME, KIND_LZ4, SUITE_XCHACHA20POLY1305
from understudy.store.protocol import Capabilities, Creation, ObjectInfo
from understudy.vault import names
from understudy.vault.access import Access, Secrets
from understudy.vault.kinds import Checkpoint, ObjectRef, PackRef, Point, PointDisk
from understudy.vault.maps.history import History
from understudy.vault.maps.points import PointEntry
from understudy.vault.packs.footer import seal_footer
from understudy.vault.packs.pack import FinishedPack, PackWriter
from understudy.vault.packs.pack_layout import HEADER_SIZE, build_header, build_trailer

VAULT = "a1" * 16
MACHINE = "b2" * 16
PRIVATE = bytes(range(1, 33))


def access_of(vault_id: str = VAULT, *, reads: bool = True, index_key: bytes = b"i" * 32) -> Access:
    """An operator's access, or a source's."""
    return Access(
        vault_id=vault_id,
        secrets=Secrets.derive(index_key, vault_id),
        recovery_public=bytes(PrivateKey(PRIVATE).public_key),
        recovery_generation=1,
        recovery_private={1: PRIVATE} if reads else {},
    )


class DictStore:
    """Objects in memory. `reads` counts requests, `fetched` bytes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads = 0
        self.fetched = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("dict")

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        if name in self.objects:
            return Creation.EXISTS
        self.objects[name] = b"".join(bytes(buffer) for buffer in buffers)
        return Creation.CREATED

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        await asyncio.sleep(0)
        if name not in self.objects:
            raise NotFound(f"no object {name}")
        self.reads += 1
        data = self.objects[name][start : None if length is None else start + length]
        self.fetched += len(data)
        return data

    async def head(self, name: str) -> ObjectInfo | None:
        return ObjectInfo(name, len(self.objects[name])) if name in self.objects else None

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        for name in sorted(self.objects):
            if name.startswith(prefix) and name > start_after:
                yield ObjectInfo(name, len(self.objects[name]))

    async def delete(self, name: str) -> bool:
        return self.objects.pop(name, None) is not None

    async def close(self) -> None:
        pass


def content(tags: np.ndarray) -> Bytes:
    """One block a tag: zeros for 0, else bytes that only this tag has; odd tags are incompressible."""
    out = np.zeros((len(tags), BLOCK_SIZE), np.uint8)
    for row, tag in zip(out, tags.tolist(), strict=True):
        if tag % 2:
            row[:] = np.frombuffer(shake_128(tag.to_bytes(8, "little")).digest(BLOCK_SIZE), np.uint8)
        elif tag:
            row[:] = np.frombuffer(f"{tag:016d}".encode() * (BLOCK_SIZE // 16), np.uint8)
    return out.reshape(-1)


def runs(numbers: np.ndarray) -> Extents:
    """Sorted block numbers as extents."""
    heads = np.flatnonzero(np.diff(numbers, prepend=-9) != 1)
    return np.stack([numbers[heads], np.diff(np.append(heads, len(numbers)))], axis=1).astype(np.int64)


def disk_id(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()


class Machine:
    """A machine's points and what its disks held at each of them: tags, a number a block."""

    def __init__(self, store: DictStore | None = None, access: Access | None = None) -> None:
        self.store = store or DictStore()
        self.access = access or access_of()
        self.points: list[PointEntry] = []
        self.checkpoints: list[Checkpoint] = []
        self.inlined: dict[int, bytes] = {}
        self.side: dict[bytes, bytes] = {}
        self.seq = 0

    def history(self, access: Access | None = None) -> History:
        async def inline(seq: int) -> bytes:
            self.store.reads += 1
            if seq not in self.inlined:
                raise NotFound(f"no record {seq}")
            return self.inlined[seq]

        async def side_object(purpose: str, ref: ObjectRef) -> bytes:
            return self.side[ref.hash]

        points = tuple(self.points)
        return History(self.store, access or self.access, MACHINE, points, points, tuple(reversed(self.checkpoints)), inline, side_object)

    async def add_point(
        self,
        sizes: Mapping[str, int],
        changes: Sequence[tuple[str, np.ndarray, np.ndarray]],
        *,
        parent: bytes | None = None,
        per_pack: int = 1 << 30,
        inline: bool = False,
    ) -> bytes:
        """changes: (disk, ascending block numbers, tags). A change that says zero is one from something else to zero."""
        ids = [disk_id(name) for name in sizes]
        packs: list[bytes] = []
        refs: list[PackRef] = []
        for name, numbers, tags in changes:
            for low in range(0, len(numbers), per_pack):
                finished = write_pack(
                    self.access, ids, [(list(sizes).index(name), numbers[low : low + per_pack], tags[low : low + per_pack])]
                )
                packs.append(b"".join(finished.buffers))
                refs.append(finished.ref)
        return await self.add_packs(sizes, refs, packs, parent=parent, inline=inline)

    async def add_packs(
        self, sizes: Mapping[str, int], refs: Sequence[PackRef], packs: list[bytes], *, parent: bytes | None = None, inline: bool = False
    ) -> bytes:
        """A point of packs that exist already; `inline`: the last of them travels in its record."""
        self.seq += 1
        body = packs.pop() if inline and packs else b""
        if body:
            self.inlined[self.seq] = body
        for ref, data in zip(refs, packs, strict=False):
            await self.store.create(names.pack(MACHINE, ref.id.hex()), [data])
        point = Point(
            id=blake2b(self.seq.to_bytes(8, "little"), digest_size=16).digest(),
            parent=(self.points[-1].point.id if self.points else b"") if parent is None else parent,
            generation=bytes(16),
            frozen_at=self.seq,
            consistency="crash",
            method="test",
            cause="delta",
            disks=tuple(PointDisk(id=disk_id(name), name=name, size=size, sector=512, digest=bytes(16)) for name, size in sizes.items()),
            packs=tuple(refs[: len(packs)]),
        )
        self.points.append(PointEntry(self.seq, point, len(body)))
        return point.id


def write_pack(
    access: Access, disks: Sequence[bytes], changes: Sequence[tuple[int, np.ndarray, np.ndarray]], writer: PackWriter | None = None
) -> FinishedPack:
    """changes: (disk index, ascending block numbers, tags)."""
    writer = writer or PackWriter(access, MACHINE, disks, capacity=32 << 20)
    for disk, numbers, tags in changes:
        extents = runs(numbers)
        old = np.full((len(tags), 16), 0xEE, np.uint8)
        writer.add(disk, content(tags), extents, old, np.empty_like(old))
    return writer.finish()


def index_only_pack(access: Access, disk: bytes, firsts: np.ndarray, blocks: int = 1) -> tuple[PackRef, bytes]:
    """A pack whose frames, of `blocks` blocks each, are garbage: resolving never reads them."""
    pack_id = os.urandom(16)
    frames = np.zeros(len(firsts), FRAME)
    frames["first"], frames["blocks"], frames["kind"], frames["length"] = firsts, blocks, KIND_LZ4, 40
    frames["number"], frames["offset"] = np.arange(len(firsts)), HEADER_SIZE + 40 * np.arange(len(firsts))
    signatures = np.zeros((blocks * len(firsts), 16), np.uint8)
    footer = seal_footer(access, MACHINE, pack_id, SUITE_XCHACHA20POLY1305, [disk], frames, signatures)
    end = HEADER_SIZE + 40 * len(firsts)
    header = build_header(access, pack_id, SUITE_XCHACHA20POLY1305, bytes(32))
    data = header + bytes(end - HEADER_SIZE) + footer
    data += build_trailer(header, end, footer, xxh3_128(data).digest())
    return PackRef(id=pack_id, size=len(data), hash=data[-32:]), data
