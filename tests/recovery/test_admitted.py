"""What may not be written to is refused before anything is."""

import os
from pathlib import Path

import pytest

from tests.recovery.memory import finder, history, point
from understudy.errors import Conflict, TargetFailed
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place

MIB = 1 << 20


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
async def test_a_disk_that_is_not_admitted_keeps_the_others_from_being_written(kind: ImageFormat, tmp_path: Path) -> None:
    a, b = (history(2 * MIB, 1, seed, name)[0].disks[name] for seed, name in enumerate(("vda", "vdb")))
    wanted = point(1, a, b)
    foreign = tmp_path / "b"
    foreign.write_bytes(b"foreign")
    places = {"vda": Place(tmp_path / "a", kind), "vdb": Place(foreign, kind)}
    with pytest.raises((Conflict, TargetFailed), match=r"disk 'vdb': .*; nothing was written"):
        await materialise(wanted, places, finder([]))
    (tmp_path / "c").mkdir()
    with pytest.raises(TargetFailed, match=r"disk 'vdb': .* is a directory; nothing was written"):
        await materialise(wanted, {**places, "vdb": Place(tmp_path / "c", kind)}, finder([]), overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]
    assert foreign.read_bytes() == b"foreign"
