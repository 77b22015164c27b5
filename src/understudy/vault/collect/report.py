"""What a collection did, or would do, and where a machine's space is."""

from dataclasses import dataclass
from typing import NamedTuple

from understudy.vault.maps.points import PointEntry


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run did, or would do: objects and bytes."""

    deleted: tuple[int, int]
    condemned: tuple[int, int]
    """To be deleted when their grace has passed."""
    waiting: tuple[int, int]
    """Condemned by an earlier run, and not due yet."""
    rewritten: int
    """Packs whose needed part was moved."""
    written: int
    """Bytes of the packs that it was moved into."""
    swept: tuple[int, int]
    """Of the log's records those that were trimmed and are gone now."""
    trimmed: tuple[int, int]
    """Those that were trimmed now or before, and are to be deleted when their grace has passed."""
    locked: tuple[int, int] = (0, 0)
    """Due, and held by the store's locks: a later run deletes them."""


class PointSpace(NamedTuple):
    """`alone`: bytes that no other kept point needs; dropping it frees them."""

    entry: PointEntry
    alone: int


@dataclass(frozen=True, slots=True)
class Survey:
    """A machine's space in the store."""

    points: tuple[PointSpace, ...]
    dropped: int
    stored: tuple[int, int]
    """All objects, records included, and their bytes."""
    needed: int
    """Bytes of frames that kept points need."""
    shared: int
    """Of these, needed by more than one."""
    idle: int
    """Bytes in packs that stay where they are, of frames that no kept point needs; about, since not every pack's index is read."""
    records: tuple[int, int]
    """The log's, with the packs that travel in them."""
    unnamed: tuple[int, int]
    """Objects that no record names: of cycles under way, or garbage that may not be told from it yet."""
    would: Collected
    """What a collection would do; `written` is what it would move."""
