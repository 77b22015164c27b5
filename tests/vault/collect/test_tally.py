"""What a point alone needs is what no other kept point's map names, whatever came and went between them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.vault.collect.test_sweep import dropping, mapped
from tests.vault.test_chains import grow_history
from understudy.vault.collect.marks import Marks
from understudy.vault.collect.sweep import changes
from understudy.vault.collect.tally import Tally
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.resolve import resolve

Piece = tuple[bytes, int, int]
"""Pack, frame, block of the frame."""


async def pieces(history: History, point: bytes) -> dict[Piece, float]:
    """Every block that a point's maps name, and its share of its frame's bytes."""
    found: dict[Piece, float] = {}
    for disk in (await resolve(history, point)).disks.values():
        for _, blocks, _, length, number, pack, whole, skip, *_ in disk.rows.tolist():
            found |= {(disk.packs[pack].id, number, skip + i): length / whole for i in range(blocks)}
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine, _ = await grow_history(rng, 20)
    history = machine.history()
    # The newest point's own line: where points fork, what two branches share counts for each of them.
    entries = trace(history.entries, history.entries[-1].point.id).entries
    line = replace(history, checkpoints=(), entries=entries, points=entries)
    for history in (line, dropping(line, rng, 0.4), dropping(await mapped(line), rng, 0.4)):
        table, tally, marks = PackTable(), Tally(), Marks()
        async for group in changes(history, table):
            for change in group:
                tally.take(change)
                for rows in change.rows.values():
                    marks.add(rows)
        each = {entry.point.id: await pieces(history, entry.point.id) for entry in history.points}
        for point, mine in each.items():
            others = set().union(*(theirs.keys() for other, theirs in each.items() if other != point))
            alone = sum(share for piece, share in mine.items() if piece not in others)
            assert abs(tally.alone(point) - alone) <= 2
        needed = sum({piece: share for mine in each.values() for piece, share in mine.items()}.values())
        assert abs(sum(marks.of(pack).needed() for pack in marks.packs()) - needed) <= len(table.packs)
