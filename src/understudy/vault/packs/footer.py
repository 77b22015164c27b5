"""A pack's index: which blocks of which disks its frames hold, where, and with what signatures. Sealed with the index key."""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.model import BLOCK_SIZE, SIGNATURE_SIZE, Rows, Signatures
from understudy.native.layout import FRAME, FRAME_BLOCKS, KIND_RAW, KIND_ZERO
from understudy.vault.access import Access
from understudy.vault.box import Entropy
from understudy.vault.packs.pack_layout import HEADER_SIZE, ID_SIZE, TAG_SIZE, damaged
from understudy.vault.packs.sealed import seal, unseal

DISK_BLOCKS_MAX = 1 << 51
"""Blocks of the largest disk that 63-bit byte offsets can address."""
ROWS_MAX = 1 << 18
SIGNATURES_MAX = 1 << 20
DISKS_MAX = 1 << 12

_HEAD = struct.Struct("<B3sIIIQ")  # suite, reserved, disks, rows, reserved, signatures
_LIMIT = _HEAD.size + DISKS_MAX * ID_SIZE + ROWS_MAX * FRAME.itemsize + SIGNATURES_MAX * SIGNATURE_SIZE


@dataclass(frozen=True, slots=True)
class Footer:
    """A pack's validated index.

    frames: FRAME rows; those of one disk are disjoint. Rows with a payload are numbered 0.. in order and lie one after the
    other from the header's end to the footer's start. signatures: (N, 16), for each block of each such row, in row order.
    """

    suite: int
    disks: tuple[bytes, ...]
    frames: Rows
    signatures: Signatures


def overlapping(frames: Rows) -> int | None:
    """Index of a row that names a block of its disk which another row names too; None if there is none."""
    order = np.lexsort((frames["first"], frames["disk"]))
    first, disk = frames["first"][order], frames["disk"][order]
    end = first + frames["blocks"][order]
    hit = np.flatnonzero((disk[1:] == disk[:-1]) & (first[1:] < end[:-1]))
    return int(order[hit[0] + 1]) if len(hit) else None


def _associated(access: Access, machine_id: str, pack_id: bytes) -> bytes:
    return b"understudy-footer\0" + bytes.fromhex(access.vault_id) + bytes.fromhex(machine_id) + pack_id


def seal_footer(
    access: Access,
    machine_id: str,
    pack_id: bytes,
    suite: int,
    disks: Sequence[bytes],
    frames: Rows,
    signatures: Signatures,
    entropy: Entropy = os.urandom,
) -> bytes:
    head = _HEAD.pack(suite, bytes(3), len(disks), len(frames), 0, len(signatures))
    plain = b"".join([head, *disks, frames.tobytes(), signatures.tobytes()])
    return seal(access.secrets.footer, _associated(access, machine_id, pack_id), plain, entropy)


def open_footer(access: Access, machine_id: str, pack_id: bytes, sealed: bytes, footer_offset: int) -> Footer:
    """`IntegrityError` unless everything in it is consistent with itself and with a pack whose footer starts at `footer_offset`."""
    plain = unseal(access.secrets.footer, _associated(access, machine_id, pack_id), sealed, _LIMIT, f"pack {pack_id.hex()}: its footer")
    if len(plain) < _HEAD.size:
        raise damaged(pack_id, "its footer is too short")
    suite, reserved, disks, rows, more, signed = _HEAD.unpack_from(plain)
    if suite not in TAG_SIZE or any(reserved) or more or disks > DISKS_MAX or rows > ROWS_MAX or signed > SIGNATURES_MAX:
        raise damaged(pack_id, "its footer holds what no pack can")
    at = _HEAD.size
    frames_at = at + disks * ID_SIZE
    signatures_at = frames_at + rows * FRAME.itemsize
    if len(plain) != signatures_at + signed * SIGNATURE_SIZE:
        raise damaged(pack_id, "its footer has not the length that it says")
    footer = Footer(
        suite,
        tuple(plain[i : i + ID_SIZE] for i in range(at, frames_at, ID_SIZE)),
        np.frombuffer(plain, dtype=FRAME, count=rows, offset=frames_at),
        np.frombuffer(plain, dtype=np.uint8, offset=signatures_at).reshape(-1, SIGNATURE_SIZE),
    )
    _validate(pack_id, footer, footer_offset)
    return footer


def _validate(pack_id: bytes, footer: Footer, footer_offset: int) -> None:
    frames = footer.frames
    tag = TAG_SIZE[footer.suite]
    if len(set(footer.disks)) != len(footer.disks):
        raise damaged(pack_id, "its footer names a disk twice")

    def each(good: NDArray[np.bool_], rows: NDArray[np.int64], reason: str) -> None:
        if not good.all():
            raise damaged(pack_id, f"footer row {int(rows[np.argmin(good)])} {reason}")

    every = np.arange(len(frames))
    each((frames["kind"] <= KIND_RAW) & (frames["reserved"] == 0), every, "is of an unknown kind")
    each(frames["disk"] < len(footer.disks), every, "belongs to no disk")
    inside = (frames["blocks"] >= 1) & (frames["first"] <= DISK_BLOCKS_MAX - frames["blocks"].astype(np.uint64))
    each(inside, every, "names blocks that no disk has")
    has_payload = frames["kind"] != KIND_ZERO
    zero, zero_at = frames[~has_payload], every[~has_payload]
    each((zero["offset"] == 0) & (zero["length"] == 0) & (zero["number"] == 0), zero_at, "is zero, yet has a payload")

    data, data_at = frames[has_payload], every[has_payload]
    length = data["length"].astype(np.int64)
    plain = data["blocks"].astype(np.int64) * BLOCK_SIZE
    each(data["blocks"] <= FRAME_BLOCKS, data_at, "has more blocks than a frame may")
    fits = np.where(data["kind"] == KIND_RAW, length == plain + tag, (length > tag) & (length < plain + tag))
    each(fits, data_at, "has an impossible length")
    each(data["number"] == np.arange(len(data)), data_at, "is not numbered in order")
    ends = HEADER_SIZE + np.cumsum(length)
    each(data["offset"].astype(np.int64) == ends - length, data_at, "does not follow the frame before it")
    if (int(ends[-1]) if len(ends) else HEADER_SIZE) != footer_offset:
        raise damaged(pack_id, "its frames do not end where its footer starts")
    if int(data["blocks"].sum()) != len(footer.signatures):
        raise damaged(pack_id, "its footer has not one signature a block")
    row = overlapping(frames)
    if row is not None:
        raise damaged(pack_id, f"footer row {row} names blocks that another row names")


def signature_starts(frames: Rows) -> NDArray[np.int64]:
    """For each frame number, where that frame's signatures start in the footer's column."""
    counts = frames["blocks"][frames["kind"] != KIND_ZERO].astype(np.int64)
    starts: NDArray[np.int64] = np.cumsum(counts) - counts
    return starts
