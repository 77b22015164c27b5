"""What is read to decide about packs: nothing that decides nothing."""

from pathlib import Path

import numpy as np
import pytest

from tests.vault.collect.stage import Stage
from understudy.vault.collect.decide import SPARSE
from understudy.vault.collect.marks import Marks
from understudy.vault.collect.stock import needed
from understudy.vault.collect.sweep import changes
from understudy.vault.maps.diskmap import PackAt, PackTable
from understudy.vault.maps.reading import history_of
from understudy.vault.packs.footer import Footer
from understudy.vault.packs.pack_source import PackSource


async def test_no_footer_of_a_pack_in_a_record_is_read_to_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await Stage.begin(tmp_path, np.random.default_rng(5))
    await stage.cycles(40)
    points = await stage.kept()
    await stage.prune(points[:-1])
    read: list[int] = []
    footer = PackSource.footer

    async def counted(source: PackSource, pack: PackAt) -> Footer:
        read.append(pack.seq)
        return await footer(source, pack)

    async with stage.operator() as (vault, log):
        table, marks = PackTable(), Marks()
        async for group in changes(history_of(vault, log), table):
            for change in group:
                for rows in change.rows.values():
                    marks.add(rows)
        monkeypatch.setattr(PackSource, "footer", counted)
        packs = (await needed(history_of(vault, log), table, marks)).values()
    assert any(pack.seq and pack.needed < SPARSE * pack.payload for pack in packs)
    assert read
    assert not any(read)
