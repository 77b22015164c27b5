"""Operators' maps of all kept points: each laid on the one before it, in objects that nothing older is part of."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from understudy.vault import kinds
from understudy.vault.collect.rewrite import Moved, replaced
from understudy.vault.collect.sweep import NOTHING, Change
from understudy.vault.maps.checkpoint import arrange, write_checkpoint
from understudy.vault.maps.checkpoint_directory import Directory
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.resolve import Base, Delta


async def write_maps(history: History, changes: Iterable[Change], table: PackTable, moved: Moved) -> AsyncIterator[kinds.Checkpoint]:
    """Store a map of each change's point; each is durable when it is yielded. `moved`: what is somewhere else now."""
    history = replace(history, checkpoints=(), maps={})
    directories: dict[bytes | None, Directory] = {None: NOTHING}
    for change in changes:
        layers = {disk: [replaced(rows, disk, moved)] for disk, rows in change.rows.items()}
        base, delta = Base(directories[change.before], (change.entry,), ()), Delta(table, layers)
        arrangement = await arrange(history, change.entry, base, delta)
        made, directories[change.entry.point.id] = await write_checkpoint(history, change.entry, base, delta, arrangement)
        yield made
