"""Comparing a target with a point by signatures: what it costs follows what is there, not the disk's size."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.memory import SECRETS, signed
from understudy import extents as ext
from understudy.model import BLOCK_SIZE, Extents, Signatures
from understudy.recovery import scan
from understudy.recovery.raw import RawTarget
from understudy.vault.kinds import PointDisk

SIZE = (8 << 40) + 512


@dataclass(frozen=True, slots=True)
class Scattered:
    """What a disk's signatures are."""

    disk: PointDisk
    extents: Extents
    known: Signatures

    async def signatures(self) -> AsyncGenerator[tuple[Extents, Signatures], None]:
        for row in range(len(self.extents)):
            yield self.extents[row : row + 1], self.known[row : row + 1]


async def test_only_windows_in_which_something_is_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = SIZE // BLOCK_SIZE
    there, wanted = [5, 70_000, 1 << 27, (1 << 30) + 3, last - 200_000], [5, 70_000, 1 << 28, (1 << 30) + 3, (1 << 30) + 9]
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(SIZE)
        for number in there:
            os.pwrite(file.fileno(), number.to_bytes(8, "big") * 512, number * BLOCK_SIZE)
    content = [np.frombuffer((number if number != 70_000 else 1).to_bytes(8, "big") * 512, np.uint8) for number in wanted]
    disk = PointDisk(id=b"d" * 16, name="vda", size=SIZE, sector=512, digest=bytes(16))
    point = Scattered(disk, np.array([[number, 1] for number in wanted]), signed(np.concatenate(content)))
    made, real = [], scan._window

    def counting(first: int, blocks: int) -> Signatures:
        made.append(first)
        return real(first, blocks)

    monkeypatch.setattr(scan, "_window", counting)
    target = RawTarget.open(path, SIZE, 512, resize=False)
    try:
        found = await scan.differing(target, point, SECRETS, lambda _: None)  # type: ignore[arg-type]
    finally:
        await target.close()
    differ = {70_000, 1 << 27, 1 << 28, (1 << 30) + 9, last - 200_000}
    assert set(ext.block_numbers(found).tolist()) == differ
    assert len(made) <= len(there) + len(wanted) + 1
