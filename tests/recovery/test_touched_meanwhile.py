"""Images that somebody else writes to while they are made, or takes away."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.recovery.memory import finder, history, point
from tests.recovery.test_materialise import KINDS, MIB
from understudy.errors import TargetFailed
from understudy.recovery import standing
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place
from understudy.recovery.progress import Progress
from understudy.recovery.raw import RawTarget


def touch(path: Path) -> None:
    """Another byte, and the time of its last change as it was."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read()[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_disk_that_is_touched_while_the_next_one_is_made_gets_no_name(kind: ImageFormat, tmp_path: Path) -> None:
    a, b = (history(2 * MIB, 1, seed, name)[0].disks[name] for seed, name in enumerate(("vda", "vdb")))
    touched = []

    def touch_the_first(progress: Progress) -> None:
        if progress.disk == "vdb" and not touched:
            touched.append(touch(tmp_path / "a.partial"))

    places = {"vda": Place(tmp_path / "a", kind), "vdb": Place(tmp_path / "b", kind)}
    with pytest.raises(TargetFailed, match=r"a\.partial was written to by another program meanwhile"):
        await materialise(point(1, a, b), places, finder([]), listener=touch_the_first)
    assert touched
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    await materialise(point(1, a, b), places, finder([]))


async def test_who_never_stops_writing_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_PATIENCE", 0.3)
    image = tmp_path / "image"
    image.write_bytes(bytes(4096))

    async def write() -> None:
        while True:
            image.write_bytes(bytes(4096))
            await asyncio.sleep(0.002)

    writing = asyncio.create_task(write())
    with pytest.raises(TargetFailed, match="is being written to by another program"):
        await standing.settled(image)
    writing.cancel()
    assert (await standing.settled(image)).size == 4096


def test_what_is_gone_when_it_is_opened_was_another_restores(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed, match="was taken away meanwhile") as caught:
        RawTarget.open(tmp_path / "image.partial", MIB, 512, resize=True)
    assert "another restore to it has ended" in caught.value.hint
