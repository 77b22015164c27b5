"""Read a pack's footer or key from the store, or from the record that carries it inline."""

import asyncio

from understudy.errors import NotFound
from understudy.model import Data
from understudy.store.protocol import Reader
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.concurrent import both
from understudy.vault.kinds import PackRef
from understudy.vault.packs.footer import Footer, open_footer
from understudy.vault.packs.pack_layout import (
    HEADER_SIZE,
    PACK_SIZE_MAX,
    TRAILER_SIZE,
    PackKey,
    Trailer,
    blake2b_256,
    damaged,
    open_header,
    parse_trailer,
    peek_id,
    scrub,
)

TAIL_MOST, TAIL_LEAST = 128 << 10, 16 << 10
"""Bytes read at once from a pack's end: 1/64 of it, which holds the whole footer in all but packs of many small frames. A slow link brings
those of 25 packs of 3 MiB in 1 s instead of 3."""


def inline_ref(data: bytes) -> PackRef:
    """What a PackRef would say of a pack that travels in a record."""
    pack_id = peek_id(data)
    return PackRef(id=pack_id, size=len(data), hash=scrub(pack_id, data))


def inline_footer(access: Access, machine_id: str, ref: PackRef, data: Data) -> Footer:
    trailer = _trailer_of(ref, data)
    return _open_footer(access, machine_id, ref.id, trailer, bytes(data[trailer.footer_offset : -TRAILER_SIZE]))


def inline_key(access: Access, ref: PackRef, data: Data) -> PackKey:
    return open_header(access, ref.id, bytes(data[:HEADER_SIZE]), _trailer_of(ref, data))


def _trailer_of(ref: PackRef, data: Data) -> Trailer:
    return parse_trailer(ref.id, len(data), bytes(data[-TRAILER_SIZE:]), ref.hash)


def _open_footer(access: Access, machine_id: str, pack_id: bytes, trailer: Trailer, sealed: bytes) -> Footer:
    if blake2b_256(sealed) != trailer.footer_hash:
        raise damaged(pack_id, "its footer is not the one that was written")
    return open_footer(access, machine_id, pack_id, sealed, trailer.footer_offset)


def _check_size(ref: PackRef) -> None:
    if not HEADER_SIZE + TRAILER_SIZE <= ref.size <= PACK_SIZE_MAX:
        raise damaged(ref.id, f"a record says that it has {ref.size} bytes, which no pack has")


async def fetch_range(store: Reader, machine_id: str, pack_id: bytes, start: int, length: int, least: int | None = None) -> Data:
    """Exactly these bytes of a stored pack, or at least so many; a missing or shorter object is an `IntegrityError`."""
    try:
        data = await store.get(names.pack(machine_id, pack_id.hex()), start, length)
    except NotFound:
        raise damaged(pack_id, "is missing from the vault") from None
    if len(data) < (length if least is None else least):
        raise damaged(pack_id, f"ends at byte {start + len(data)}, before its size")
    return data


async def fetch_whole(store: Reader, machine_id: str, ref: PackRef, *, ends: bool) -> Data:
    """All of a stored pack. `ends`: `IntegrityError` also if its object goes on behind it, which takes no request of its own here."""
    _check_size(ref)
    data = await fetch_range(store, machine_id, ref.id, 0, ref.size + ends, ref.size)
    if len(data) > ref.size:
        raise damaged(ref.id, f"has more than {ref.size} bytes")
    return data


async def fetch_key(store: Reader, access: Access, machine_id: str, ref: PackRef) -> PackKey:
    """What opens its frames: header and trailer must be those that the record names. `AccessDenied` without the recovery key."""
    _check_size(ref)
    trailer, header = await both(
        fetch_range(store, machine_id, ref.id, ref.size - TRAILER_SIZE, TRAILER_SIZE),
        fetch_range(store, machine_id, ref.id, 0, HEADER_SIZE),
    )
    return open_header(access, ref.id, bytes(header), parse_trailer(ref.id, ref.size, bytes(trailer), ref.hash))


async def fetch_footer(store: Reader, access: Access, machine_id: str, ref: PackRef) -> Footer:
    """One ranged read, a second one where the footer is large."""
    _check_size(ref)
    start = max(0, ref.size - min(TAIL_MOST, max(TAIL_LEAST, ref.size >> 6)))
    tail = bytes(await fetch_range(store, machine_id, ref.id, start, ref.size - start))
    trailer = parse_trailer(ref.id, ref.size, tail[-TRAILER_SIZE:], ref.hash)
    if trailer.footer_offset < start:
        tail = bytes(await fetch_range(store, machine_id, ref.id, trailer.footer_offset, start - trailer.footer_offset)) + tail
        start = trailer.footer_offset
    sealed = tail[trailer.footer_offset - start : -TRAILER_SIZE]
    # Up to 30 ms for a footer of many small frames: not on the event loop.
    return await asyncio.to_thread(_open_footer, access, machine_id, ref.id, trailer, sealed)
