"""A checkpoint's directory: for every region of every disk, the stack of pages that make its map, newest first."""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from understudy.errors import IntegrityError
from understudy.model import Rows, blocks_of
from understudy.vault.access import Access
from understudy.vault.box import Entropy
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS, transposed, untransposed
from understudy.vault.packs.sealed import seal, unseal

PAGE = np.dtype(
    [
        ("region", "<u4"),
        ("object", "<u4"),  # index into the directory's table of checkpoint objects
        ("offset", "<u8"),
        ("length", "<u4"),
        ("rows", "<u4"),  # what merging weighs
        ("hash", "V16"),  # BLAKE2b-128 of the sealed page: who trusts this directory trusts its pages
    ]
)
"""Where one page is, 40 bytes. Sorted by region; within a region newest first."""

UNHASHED = np.dtype([(name, PAGE[name].str) for name in ("region", "object", "offset", "length", "rows")])
"""The same in directories of the first version."""
NO_HASH = bytes(PAGE["hash"].itemsize)

PAGE_BYTES_MAX = 32 << 20
DISK_SIZE_MAX = 1 << 63
STACK_MAX = 32
"""pages_to_merge leaves at most 19."""
_HEAD = struct.Struct("<16sII")  # point, objects, disks
_OBJECT = struct.Struct("<16sQ")  # id, size
_DISK = struct.Struct("<16sQII")  # id, size, pages, reserved
_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class MapObject:
    """A stored checkpoint object, this one or an older one, that holds some of the pages."""

    id: bytes
    size: int


@dataclass(frozen=True, slots=True)
class DiskPages:
    disk_id: bytes
    size: int
    pages: Rows


@dataclass(frozen=True, slots=True)
class Directory:
    """The maps of all disks of one point, as references to pages."""

    point: bytes
    objects: tuple[MapObject, ...]
    disks: tuple[DiskPages, ...]


def page_hash(sealed: bytes) -> bytes:
    """Nobody but its author chooses a page's bytes, so that 128 bits keep others from putting another in its place."""
    return blake2b(sealed, digest_size=PAGE["hash"].itemsize).digest()


def _associated(access: Access, machine_id: str, checkpoint_id: bytes, *, hashed: bool) -> bytes:
    version = b"understudy-directory-2\0" if hashed else b"understudy-directory\0"
    return version + bytes.fromhex(access.vault_id) + bytes.fromhex(machine_id) + checkpoint_id


def seal_directory(access: Access, machine_id: str, checkpoint_id: bytes, directory: Directory, entropy: Entropy = os.urandom) -> bytes:
    pages = np.concatenate([np.empty(0, dtype=PAGE), *(disk.pages for disk in directory.disks)])
    plain = b"".join(
        [
            _HEAD.pack(directory.point, len(directory.objects), len(directory.disks)),
            *(_OBJECT.pack(entry.id, entry.size) for entry in directory.objects),
            *(_DISK.pack(disk.disk_id, disk.size, len(disk.pages), 0) for disk in directory.disks),
            transposed(pages),
        ]
    )
    return seal(access.secrets.checkpoint, _associated(access, machine_id, checkpoint_id, hashed=True), plain, entropy)


def open_directory(access: Access, machine_id: str, checkpoint_id: bytes, point: bytes, sealed: bytes, *, hashed: bool = True) -> Directory:
    """Validated: every page lies in an object of the table and in a region of its disk. Not `hashed`: of the first version."""
    name = f"checkpoint {checkpoint_id.hex()}: its directory"
    layout = PAGE if hashed else UNHASHED
    plain = unseal(access.secrets.checkpoint, _associated(access, machine_id, checkpoint_id, hashed=hashed), sealed, _LIMIT, name)
    if len(plain) < _HEAD.size:
        raise IntegrityError(f"{name}: too short")
    of_point, objects_count, disks_count = _HEAD.unpack_from(plain)
    disks_at = _HEAD.size + objects_count * _OBJECT.size
    pages_at = disks_at + disks_count * _DISK.size
    if of_point != point:
        raise IntegrityError(f"{name}: is of another point, {of_point.hex()}")
    if len(plain) < pages_at:
        raise IntegrityError(f"{name}: has not the length that it says")
    objects = tuple(MapObject(*fields) for fields in _OBJECT.iter_unpack(plain[_HEAD.size : disks_at]))
    heads = list(_DISK.iter_unpack(plain[disks_at:pages_at]))
    total = sum(count for _, _, count, _ in heads)
    if len(plain) != pages_at + total * layout.itemsize:
        raise IntegrityError(f"{name}: has not the length that it says")
    pages = np.zeros(total, dtype=PAGE)
    pages[list(layout.names or ())] = untransposed(plain[pages_at:], total, layout)
    disks: list[DiskPages] = []
    at = 0
    for disk_id, size, count, _ in heads:
        own = pages[at : at + count]
        at += count
        fault = _fault(own, size, objects)
        if fault:
            raise IntegrityError(f"{name}: disk {disk_id.hex()}: {fault}")
        disks.append(DiskPages(disk_id, size, own))
    if len({disk.disk_id for disk in disks}) != len(disks):
        raise IntegrityError(f"{name}: names a disk twice")
    return Directory(of_point, objects, tuple(disks))


def _fault(pages: Rows, size: int, objects: Sequence[MapObject]) -> str:
    if size > DISK_SIZE_MAX:
        return "larger than any disk"
    regions = regions_in(size)
    if (pages["region"] >= regions).any() or (pages["region"][1:] < pages["region"][:-1]).any():
        return "pages of regions that it has not, or out of order"
    if (pages["region"][STACK_MAX:] == pages["region"][:-STACK_MAX]).any():
        return "too many pages of one region"
    if (pages["object"] >= len(objects)).any():
        return "a page in no known object"
    sizes = np.array([entry.size for entry in objects] or [0], dtype=np.uint64)[pages["object"]]
    if (pages["length"] > PAGE_BYTES_MAX).any() or (pages["offset"] > sizes).any() or (pages["length"] > sizes - pages["offset"]).any():
        return "a page outside its object"
    return ""


def regions_in(size: int) -> int:
    """How many regions a disk of `size` bytes has, the last of them perhaps in part."""
    return -(-blocks_of(size) // REGION_BLOCKS)


def stack(pages: Rows, region: int) -> Rows:
    """A region's pages, newest first."""
    low, high = np.searchsorted(pages["region"], [region, region + 1])
    return pages[low:high]


def regions_of(rows: Rows) -> NDArray[np.int64]:
    """The regions that PIECE rows touch, ascending."""
    low = (rows["first"] // REGION_BLOCKS).astype(np.int64)
    high = ((rows["first"] + rows["blocks"] - np.uint64(1)) // REGION_BLOCKS).astype(np.int64)
    long = np.flatnonzero(high > low + 1)
    between = [np.arange(low[i] + 1, high[i]) for i in long.tolist()]
    return np.unique(np.concatenate([low, high, *between]))


def pages_to_merge(weights: Sequence[int]) -> int:
    """How many pages of a stack, newest first, are to become one when its first is new.

    A page is merged with the one below while those above it weigh more than half of it. So each page weighs at least twice
    all above it: a region of N rows has at most log2(N) + 1 pages, and a row is rewritten as often at most.
    """
    merged, weight = 1, weights[0]
    while merged < len(weights) and 2 * weight > weights[merged]:
        weight += weights[merged]
        merged += 1
    return merged
