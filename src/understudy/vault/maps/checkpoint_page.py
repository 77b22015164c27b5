"""One page of a checkpoint: an extent map's rows in one region of one disk, with the packs that they name."""

import os
import struct

import numpy as np

from understudy.errors import IntegrityError
from understudy.model import Rows
from understudy.native.layout import PIECE
from understudy.vault.access import Access
from understudy.vault.box import Entropy
from understudy.vault.maps.diskmap import NO_ROWS, PackAt, PackTable, check_pieces, overlay, repack, trusting_nothing
from understudy.vault.packs.pack_layout import PACK_SIZE_MAX
from understudy.vault.packs.sealed import seal, unseal

REGION_BLOCKS = 1 << 18
"""A region is 1 GiB of a disk."""

_HEAD = struct.Struct("<II")  # rows, packs
_PACK = struct.Struct("<16sQ32sQ")  # id, size, hash, record number if inline
_LIMIT = _HEAD.size + REGION_BLOCKS * (PIECE.itemsize + _PACK.size)


def _associated(access: Access, machine_id: str, checkpoint_id: bytes, disk_id: bytes, region: int) -> bytes:
    owner = bytes.fromhex(access.vault_id) + bytes.fromhex(machine_id)
    return b"understudy-page\0" + owner + checkpoint_id + disk_id + region.to_bytes(8, "little")


def transposed(rows: Rows) -> bytes:
    """Byte 0 of every row, then byte 1 of every row…: neighbours are alike, and LZ4 finds it."""
    return np.ascontiguousarray(rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize).T).tobytes()


def untransposed(data: bytes, count: int, dtype: np.dtype[np.void]) -> Rows:
    """The inverse; `data` has exactly count * itemsize bytes."""
    return np.ascontiguousarray(np.frombuffer(data, dtype=np.uint8).reshape(dtype.itemsize, count).T).reshape(-1).view(dtype)


def seal_page(
    access: Access,
    machine_id: str,
    checkpoint_id: bytes,
    disk_id: bytes,
    region: int,
    rows: Rows,
    packs: list[PackAt],
    entropy: Entropy = os.urandom,
) -> bytes:
    """rows: PIECE, sorted, disjoint, inside the region; PIECE.pack is an index into `packs`, of which only those used are stored."""
    table = PackTable()
    own = repack(rows, packs, table)
    head = _HEAD.pack(len(own), len(table.packs))
    entries = [_PACK.pack(pack.id, pack.size, pack.hash, pack.seq) for pack in table.packs]
    plain = b"".join([head, *entries, transposed(own)])
    return seal(access.secrets.checkpoint, _associated(access, machine_id, checkpoint_id, disk_id, region), plain, entropy)


def open_page(
    access: Access, machine_id: str, checkpoint_id: bytes, disk_id: bytes, region: int, sealed: bytes
) -> tuple[Rows, list[PackAt]]:
    """The page's rows and packs, validated."""
    name = f"checkpoint {checkpoint_id.hex()}: page {region}"
    plain = unseal(access.secrets.checkpoint, _associated(access, machine_id, checkpoint_id, disk_id, region), sealed, _LIMIT, name)
    if len(plain) < _HEAD.size:
        raise IntegrityError(f"{name}: too short")
    count, packs_count = _HEAD.unpack_from(plain)
    rows_at = _HEAD.size + packs_count * _PACK.size
    if len(plain) != rows_at + count * PIECE.itemsize:
        raise IntegrityError(f"{name}: has not the length that it says")
    packs = [PackAt(*fields) for fields in _PACK.iter_unpack(plain[_HEAD.size : rows_at])]
    if any(pack.size > PACK_SIZE_MAX for pack in packs):
        raise IntegrityError(f"{name}: names a pack larger than any")
    rows = untransposed(plain[rows_at:], count, PIECE)
    fault = check_pieces(rows, packs)
    if fault:
        raise IntegrityError(f"{name}: {fault}")
    if count:
        start = region * REGION_BLOCKS
        if int(rows["first"].min()) < start or int(rows["first"][-1]) + int(rows["blocks"][-1]) > start + REGION_BLOCKS:
            raise IntegrityError(f"{name}: has rows outside its region")
    with trusting_nothing(name):
        return overlay(rows, NO_ROWS), packs
