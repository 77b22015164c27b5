"""Maps that turn out damaged amid a restore: of the point that is wanted, or of the one that a target holds."""

from pathlib import Path

import pytest

from tests.recovery.memory import MemoryDisk, history
from tests.recovery.test_materialise import KINDS, MIB, restore
from understudy.errors import IntegrityError
from understudy.model import blocks_of
from understudy.recovery.place import ImageFormat

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def test_a_base_that_cannot_be_told_to_its_end_means_a_scan(kind: ImageFormat, tmp_path: Path) -> None:
    """Something was written by then."""
    points = history(16 * MIB, 2)
    await restore(kind, points[0], tmp_path, points)
    base = points[0].disks["vda"]
    assert isinstance(base, MemoryDisk)
    base.unmapped = blocks_of(16 * MIB) - 1
    found = await restore(kind, points[1], tmp_path, points)
    assert (found.trusted, found.known_point) == ("scan", None)
    assert found.reason == "the point that it holds is no longer in the vault"


async def test_a_wanted_point_that_cannot_be_told_to_its_end_is_an_error(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(16 * MIB, 2)
    wanted = points[1].disks["vda"]
    assert isinstance(wanted, MemoryDisk)
    wanted.unmapped = blocks_of(16 * MIB) - 1
    with pytest.raises(IntegrityError, match="page 0 does not open"):
        await restore(kind, points[1], tmp_path, points)
    assert not (tmp_path / "image").exists()
    wanted.unmapped = None
    await restore(kind, points[1], tmp_path, points)
