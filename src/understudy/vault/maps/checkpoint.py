"""Take checkpoints: write the pages of what changed since the last one, and point at older objects for the rest."""

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from understudy.model import Rows
from understudy.vault import kinds, names
from understudy.vault.box import Entropy
from understudy.vault.log.patience import BRIEF, create_new_patiently
from understudy.vault.maps.checkpoint_directory import (
    PAGE,
    Directory,
    DiskPages,
    MapObject,
    page_hash,
    pages_to_merge,
    regions_in,
    regions_of,
    seal_directory,
    stack,
)
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS, seal_page
from understudy.vault.maps.checkpoint_read import PageAt, read_pages
from understudy.vault.maps.diskmap import NO_ROWS, PackTable, cut, merge
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.resolve import Base, Delta, from_newest_base, pages_at, read_delta
from understudy.vault.maps.selection import Index
from understudy.vault.packs.pack_layout import blake2b_256

MAGIC = b"USMAPS\x01\x00"
POINTS_MAX = 16
PACKS_MAX = 64
"""Points that brought packs, and packs, after a checkpoint whose footers a reader may have to read one by one."""
BARE_MAX = 1024
"""Points after a checkpoint that a reader's walk may come by: an idle machine's cost no request."""


def due(entries: Sequence[PointEntry], mapped: Collection[bytes], point_id: bytes) -> bool:
    """Whether reading this point would touch so many objects that it deserves a checkpoint; `mapped` points have one. Pure."""
    walk = trace(entries, point_id, mapped).entries
    since = [entry for entry in walk if not entry.bare]
    packs = sum(len(entry.point.packs) + (PACKS_MAX if entry.point.packs_in else 0) for entry in since)
    return len(since) >= POINTS_MAX or packs >= PACKS_MAX or len(walk) >= BARE_MAX


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A region whose map changes: what is laid on it, and the pages of its stack that become one with that."""

    disk_id: bytes
    region: int
    rows: Rows
    absorbed: tuple[PageAt, ...]
    """Newest first."""
    kept: Rows
    """PAGE rows that stay below."""


async def take_checkpoint(history: History, point_id: bytes, entropy: Entropy = os.urandom) -> kinds.Checkpoint:
    """Store a checkpoint of this point; durable when this returns. Its record's body is the caller's to append."""
    entry = history.find(point_id)

    async def read(base: Base) -> tuple[Base, Delta, Arrangement]:
        delta = await read_delta(hashed, base)
        return base, delta, await arrange(hashed, entry, base, delta)

    # Pages of which nobody has a hash are not built upon: the footers are read once more instead.
    hashed = replace(history, checkpoints=tuple(checkpoint for checkpoint in history.checkpoints if checkpoint.hash))
    base, delta, arrangement = await from_newest_base(hashed, point_id, read)
    checkpoint, _ = await write_checkpoint(history, entry, base, delta, arrangement, entropy)
    return checkpoint


class Arrangement(NamedTuple):
    """What a checkpoint writes, and the rows of the pages that it absorbs, in the rewrites' order."""

    rewrites: Sequence[Rewrite]
    below: Sequence[Rows]


async def arrange(history: History, entry: PointEntry, base: Base, delta: Delta) -> Arrangement:
    """`CheckpointDamaged` if a page of the base's does not read."""
    rewrites = await asyncio.to_thread(plan, entry, base, delta)
    absorbed = [page for rewrite in rewrites for page in rewrite.absorbed]
    return Arrangement(rewrites, await read_pages(history, absorbed, delta.table))


async def write_checkpoint(
    history: History, entry: PointEntry, base: Base, delta: Delta, arrangement: Arrangement, entropy: Entropy = os.urandom
) -> tuple[kinds.Checkpoint, Directory]:
    """Store what was arranged; durable when this returns."""
    checkpoint_id = entropy(16)
    buffers, directory = await asyncio.to_thread(_build, history, entry, base, delta.table, arrangement, checkpoint_id, entropy)
    size = sum(len(buffer) for buffer in buffers)
    name = names.checkpoint(history.machine_id, checkpoint_id.hex())
    await create_new_patiently(history.store, name, buffers, BRIEF)
    place = (size - len(buffers[-1]), len(buffers[-1]))
    digest = blake2b_256(buffers[-1])
    taken = kinds.Checkpoint(point=entry.point.id, id=checkpoint_id, size=size, directory=place, hash=digest, repack=history.repack)
    return taken, directory


def plan(entry: PointEntry, base: Base, delta: Delta) -> list[Rewrite]:
    """What must be written: for each touched region, its new rows and how far down its stack is merged."""
    known = {disk.disk_id: disk for disk in base.directory.disks}
    rewrites: list[Rewrite] = []
    for disk in entry.point.disks:
        # What hides blocks past the disk's last region, however many there once were, is of no region any more; within that
        # region they must stay hidden, should the disk grow again.
        rows = cut(delta.rows(disk.id), 0, regions_in(disk.size) * REGION_BLOCKS)
        pages = known.get(disk.id, DiskPages(disk.id, 0, np.empty(0, dtype=PAGE)))
        index = Index.of(rows)
        for region in regions_of(rows).tolist():
            start = region * REGION_BLOCKS
            low, high = np.searchsorted(index.end, start, side="right"), np.searchsorted(index.first, start + REGION_BLOCKS)
            own = cut(rows[low:high], start, REGION_BLOCKS)
            below = stack(pages.pages, region)
            merged = pages_to_merge([len(own), *below["rows"].tolist()]) - 1
            absorbed = pages_at(base.directory, DiskPages(disk.id, disk.size, below[:merged]), [region])
            rewrites.append(Rewrite(disk.id, region, own, tuple(absorbed), below[merged:]))
    return rewrites


def _build(
    history: History,
    entry: PointEntry,
    base: Base,
    table: PackTable,
    arrangement: Arrangement,
    checkpoint_id: bytes,
    entropy: Entropy,
) -> tuple[list[bytes], Directory]:
    """The object's buffers, of which the last is its directory."""
    access, machine_id = history.access, history.machine_id
    buffers = [MAGIC]
    size = len(MAGIC)
    own_object = len(base.directory.objects)
    stacks: dict[tuple[bytes, int], Rows] = {}
    at = 0
    for rewrite in arrangement.rewrites:
        layers = [*reversed(arrangement.below[at : at + len(rewrite.absorbed)]), rewrite.rows]
        at += len(rewrite.absorbed)
        rows = merge(layers, drop_zero=not len(rewrite.kept))
        page = np.empty(0, dtype=PAGE)
        if len(rows):
            sealed = seal_page(access, machine_id, checkpoint_id, rewrite.disk_id, rewrite.region, rows, table.packs, entropy)
            page = np.array([(rewrite.region, own_object, size, len(sealed), len(rows), page_hash(sealed))], dtype=PAGE)
            buffers.append(sealed)
            size += len(sealed)
        stacks[rewrite.disk_id, rewrite.region] = np.concatenate([page, rewrite.kept])
    directory = _directory(entry, base, stacks, MapObject(checkpoint_id, size))
    buffers.append(seal_directory(access, machine_id, checkpoint_id, directory, entropy))
    return buffers, directory


def _directory(entry: PointEntry, base: Base, stacks: dict[tuple[bytes, int], Rows], own: MapObject) -> Directory:
    """The base's directory with the rewritten regions in place, naming only objects that still hold a page."""
    known = {disk.disk_id: disk.pages for disk in base.directory.disks}
    disks: list[DiskPages] = []
    for disk in entry.point.disks:
        pages = known.get(disk.id, np.empty(0, dtype=PAGE))
        rewritten = [region for disk_id, region in stacks if disk_id == disk.id]
        regions = regions_in(disk.size)
        stays = pages[~np.isin(pages["region"], rewritten) & (pages["region"] < regions)]
        merged = np.concatenate([stays, *(stacks[disk.id, region] for region in rewritten)])
        disks.append(DiskPages(disk.id, disk.size, merged[np.argsort(merged["region"], kind="stable")]))
    objects = [*base.directory.objects, own]
    used = np.unique(np.concatenate([disk.pages["object"] for disk in disks] or [NO_ROWS["pack"]]))
    target = np.zeros(len(objects), dtype=np.uint32)
    target[used] = np.arange(len(used))
    for disk_pages in disks:
        disk_pages.pages["object"] = target[disk_pages.pages["object"]]
    return Directory(entry.point.id, tuple(objects[i] for i in used.tolist()), tuple(disks))
