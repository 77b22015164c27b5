"""Read a pack's footer or header from the store, or from the record that carries it inline."""

from understudy.errors import NotFound
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.footer import Footer, open_footer
from understudy.vault.kinds import PackRef
from understudy.vault.pack_layout import HEADER_SIZE, PACK_SIZE_MAX, TRAILER_SIZE, damaged, parse_trailer, peek_id, scrub

TAIL = 128 << 10
"""Read at once from a pack's end: in all but packs of many small frames it holds the whole footer."""


def inline_ref(data: bytes) -> PackRef:
    """What a PackRef would say of a pack that travels in a record."""
    pack_id = peek_id(data)
    return PackRef(id=pack_id, size=len(data), hash=scrub(pack_id, data))


def inline_footer(access: Access, machine_id: str, ref: PackRef, data: bytes) -> Footer:
    offset, length, _ = parse_trailer(ref.id, len(data), data[-TRAILER_SIZE:])
    return open_footer(access, machine_id, ref.id, data[offset : offset + length], offset)


async def fetch_range(store: ObjectStore, machine_id: str, pack_id: bytes, start: int, length: int) -> bytes:
    """Exactly these bytes of a stored pack; a missing or shorter object is an `IntegrityError`."""
    try:
        data = await store.get(names.pack(machine_id, pack_id.hex()), start, length)
    except NotFound:
        raise damaged(pack_id, "is missing from the vault") from None
    if len(data) != length:
        raise damaged(pack_id, f"ends at byte {start + len(data)}, before its size")
    return data


async def fetch_header(store: ObjectStore, machine_id: str, pack_id: bytes) -> bytes:
    return await fetch_range(store, machine_id, pack_id, 0, HEADER_SIZE)


async def fetch_footer(store: ObjectStore, access: Access, machine_id: str, ref: PackRef) -> Footer:
    """One ranged read, a second one where the footer is large. The trailer must be the one that the record names."""
    if not HEADER_SIZE + TRAILER_SIZE <= ref.size <= PACK_SIZE_MAX:
        raise damaged(ref.id, f"a record says that it has {ref.size} bytes, which no pack has")
    start = max(0, ref.size - TAIL)
    tail = await fetch_range(store, machine_id, ref.id, start, ref.size - start)
    offset, length, digest = parse_trailer(ref.id, ref.size, tail[-TRAILER_SIZE:])
    if digest != ref.hash:
        raise damaged(ref.id, "is not the pack that its record names")
    if offset < start:
        tail = await fetch_range(store, machine_id, ref.id, offset, start - offset) + tail
        start = offset
    return open_footer(access, machine_id, ref.id, tail[offset - start : offset - start + length], offset)
