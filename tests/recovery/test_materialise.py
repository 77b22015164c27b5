"""From anything to a point: right bytes, only those that differ, proven, sparse, repeatable."""

import asyncio
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.memory import MemoryDisk, disk, expected, finder, history, leftovers, point
from understudy import extents as ext
from understudy.errors import Conflict, IntegrityError, InvalidRequest, TargetFailed
from understudy.model import BLOCK_SIZE
from understudy.recovery import scan
from understudy.recovery.disk_work import MachineContent
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place
from understudy.recovery.progress import Progress
from understudy.recovery.qcow2 import Qcow2Target
from understudy.recovery.raw import RawTarget
from understudy.recovery.report import Restored, RestoredDisk

MIB = 1 << 20
KINDS: tuple[ImageFormat, ...] = ("raw", "qcow2")
pytestmark = pytest.mark.parametrize("kind", KINDS)


class Written:
    """What really reached targets."""

    def __init__(self) -> None:
        self.data = 0
        self.zero = 0


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    count = Written()
    for target in (RawTarget, Qcow2Target):
        write, zero = target.write, target.write_zeroes

        async def counted_write(self: object, extents: ext.Extents, data: object, write: object = write) -> None:
            count.data += ext.total(extents)
            await write(self, extents, data)

        async def counted_zero(self: object, extents: ext.Extents, zero: object = zero) -> None:
            count.zero += ext.total(extents)
            await zero(self, extents)

        monkeypatch.setattr(target, "write", counted_write)
        monkeypatch.setattr(target, "write_zeroes", counted_zero)
    return count


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def image(kind: ImageFormat, path: Path, size: int) -> bytes:
    """The disk as QEMU itself reads it."""
    if kind == "raw":
        return path.read_bytes()
    flat = path.with_suffix(".flat")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, flat)
    try:
        return flat.read_bytes()[:size]
    finally:
        flat.unlink()


async def restore(
    kind: ImageFormat, wanted: MachineContent, directory: Path, points: list[MachineContent], *, overwrite: bool = False
) -> RestoredDisk:
    path = directory / "image"
    done = await materialise(wanted, {"vda": Place(path, kind)}, finder(points), overwrite=overwrite)
    assert done.point == wanted.point
    assert image(kind, path, wanted.disks["vda"].disk.size) == expected(wanted)
    assert not leftovers(directory)
    return done.disks[0]


def blocks_that_differ(a: MachineContent, b: MachineContent) -> int:
    return ext.total(b.disks["vda"].differing(a.disks["vda"]))


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("size", [8 * MIB, 8 * MIB + 512, 8 * MIB + 1000, 4095, 48 * MIB + 7 * 512])
async def test_a_new_image(kind: ImageFormat, size: int, sector: int, tmp_path: Path, written: Written) -> None:
    points = history(size, 1, sector=sector)
    found = await restore(kind, points[0], tmp_path, [])
    data = ext.total(points[0].disks["vda"].data())
    assert found.trusted == "new"
    assert (written.data, written.zero) == (data, 0)
    assert found.written == data * BLOCK_SIZE
    assert (tmp_path / "image").stat().st_blocks * 512 <= (data * BLOCK_SIZE) * (1.0 if kind == "raw" else 2.2) + MIB


async def test_an_empty_disk_takes_no_space(kind: ImageFormat, tmp_path: Path) -> None:
    wanted = point(1, disk("vda", np.zeros(0, dtype=np.uint8), 48 * MIB))
    done = await materialise(wanted, {"vda": Place(tmp_path / "image", kind)}, finder([]))
    assert done.disks[0].written == 0
    assert (tmp_path / "image").stat().st_blocks * 512 < MIB


async def test_newer_older_and_the_same_point_write_only_what_differs(kind: ImageFormat, tmp_path: Path, written: Written) -> None:
    points = history(16 * MIB, 4)
    await restore(kind, points[0], tmp_path, points)
    at = points[0]
    for wanted in (points[3], points[1], points[1], points[2]):
        written.data = written.zero = 0
        found = await restore(kind, wanted, tmp_path, points)
        assert (found.trusted, found.known_point) == ("known", at.point)
        assert written.data + written.zero == blocks_that_differ(at, wanted)
        at = wanted


async def test_a_pruned_base_means_a_scan(kind: ImageFormat, tmp_path: Path, written: Written) -> None:
    points = history(16 * MIB, 2)
    await restore(kind, points[0], tmp_path, points)
    written.data = written.zero = 0
    found = await restore(kind, points[1], tmp_path, points[1:])
    assert (found.trusted, found.reason) == ("scan", "the point that it holds is no longer in the vault")
    assert written.data + written.zero == blocks_that_differ(points[0], points[1])


@pytest.mark.parametrize("window", [scan.WINDOW_BLOCKS, 1000, 37])
async def test_an_unknown_image_is_scanned_and_only_if_asked(
    kind: ImageFormat, window: int, tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WINDOW_BLOCKS", window)
    points = history(16 * MIB, 2)
    await restore(kind, points[0], tmp_path, points)
    (tmp_path / "image.understudy").unlink()
    with pytest.raises(Conflict, match="not known to be an image of disk 'vda'"):
        await restore(kind, points[1], tmp_path, points)
    written.data = written.zero = 0
    found = await restore(kind, points[1], tmp_path, points, overwrite=True)
    assert (found.trusted, found.reason) == ("scan", "it has no record of what it holds")
    assert written.data + written.zero == blocks_that_differ(points[0], points[1])


async def test_garbage_becomes_the_point(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB + 512, 1)
    garbage = np.random.default_rng(9).integers(0, 256, 8 * MIB + 512, dtype=np.uint8)
    (tmp_path / "garbage").write_bytes(garbage.tobytes())
    run("qemu-img", "convert", "-f", "raw", "-O", kind, tmp_path / "garbage", tmp_path / "image")
    found = await restore(kind, points[0], tmp_path, points, overwrite=True)
    assert found.trusted == "scan"
    await restore(kind, points[0], tmp_path, points)


async def test_a_sidecar_that_lies_is_found_out(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB, 3)
    path = tmp_path / "image"
    await restore(kind, points[0], tmp_path, points)
    if kind == "raw":
        with path.open("r+b") as file:
            file.seek(5 * MIB)
            file.write(b"x")
    else:
        run("qemu-io", "-f", "qcow2", "-c", "write -P 7 5M 64k", path)
    used = path.read_bytes()
    with pytest.raises(Conflict, match="was written to since it was restored"):
        await restore(kind, points[1], tmp_path, points)
    assert path.read_bytes() == used
    found = await restore(kind, points[1], tmp_path, points, overwrite=True)
    assert (found.trusted, found.reason) == ("scan", "it was touched since it was written")
    path.chmod(0o640)
    assert (await restore(kind, points[0], tmp_path, points)).reason == "it was touched since it was written"
    # A copy brings the sidecar's words, but is another file.
    for name in ("image", "image.understudy"):
        shutil.copy2(tmp_path / name, tmp_path / f"{name}.copy")
        os.replace(tmp_path / f"{name}.copy", tmp_path / name)
    with pytest.raises(Conflict):
        await restore(kind, points[2], tmp_path, points)
    assert (await restore(kind, points[2], tmp_path, points, overwrite=True)).trusted == "scan"


async def test_a_wrong_record_is_caught_by_the_proof(kind: ImageFormat, tmp_path: Path) -> None:
    """Should a file ever differ from what its sidecar says although nothing shows it, the digest does, and a scan mends it."""
    points = history(8 * MIB, 3)
    await restore(kind, points[0], tmp_path, points)
    sidecar = tmp_path / "image.understudy"
    sidecar.write_text(sidecar.read_text().replace(points[0].point, points[1].point))
    found = await restore(kind, points[2], tmp_path, points)
    assert (found.trusted, found.reason) == ("scan", "it did not hold what its record said")
    assert (await restore(kind, points[0], tmp_path, points)).trusted == "known"


async def test_a_garbled_sidecar_is_none(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(MIB, 1)
    await restore(kind, points[0], tmp_path, points)
    for text in ("", "{}", '{"format": 9}', "\0\xff"):
        (tmp_path / "image.understudy").write_text(text)
        with pytest.raises(Conflict):
            await restore(kind, points[0], tmp_path, points)


async def test_a_resized_disk_follows_if_the_image_is_ours(kind: ImageFormat, tmp_path: Path) -> None:
    blocks = np.random.default_rng(1).integers(0, 256, 8 * MIB, dtype=np.uint8)
    points = [point(number, disk("vda", blocks, size)) for number, size in enumerate((4 * MIB + 1000, 8 * MIB, 3 * MIB + 512, 6 * MIB), 1)]
    for wanted in points:
        await restore(kind, wanted, tmp_path, points)
    (tmp_path / "image.understudy").unlink()
    with pytest.raises(TargetFailed, match="not an image of this disk"):
        await restore(kind, points[0], tmp_path, points, overwrite=True)


async def test_an_empty_file_is_as_good_as_none(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(MIB, 1)
    (tmp_path / "image").touch()
    assert (await restore(kind, points[0], tmp_path, points)).trusted == "new"


async def test_what_appears_under_the_name_is_left_alone(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(MIB, 1)
    item = points[0].disks["vda"]
    assert isinstance(item, MemoryDisk)

    def appear(progress: Progress) -> None:
        (tmp_path / "image").write_bytes(b"precious")

    with pytest.raises(TargetFailed, match="appeared meanwhile"):
        await materialise(points[0], {"vda": Place(tmp_path / "image", kind)}, finder([]), listener=appear)
    assert (tmp_path / "image").read_bytes() == b"precious"
    (tmp_path / "image").unlink()
    await restore(kind, points[0], tmp_path, points)


async def test_a_strangers_partial_file_is_not_touched(kind: ImageFormat, tmp_path: Path) -> None:
    (tmp_path / "image.partial").write_bytes(b"precious")
    with pytest.raises(Conflict, match="was not made by a restore"):
        await restore(kind, history(MIB, 1)[0], tmp_path, [])
    assert (tmp_path / "image.partial").read_bytes() == b"precious"


async def test_a_damaged_vault_never_gives_a_wrong_image(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB, 2)
    item = points[0].disks["vda"]
    assert isinstance(item, MemoryDisk)
    item.damaged = int(item.data()[-1, 0])
    with pytest.raises(IntegrityError, match="disk 'vda': pack 00"):
        await restore(kind, points[0], tmp_path, points)
    assert not (tmp_path / "image").exists()
    item.damaged = None
    found = await restore(kind, points[0], tmp_path, points)
    assert found.trusted == ("scan" if kind == "raw" else "new")
    # Onto an existing image: what was begun is on record, as far as it came, and made good.
    newer = points[1].disks["vda"]
    assert isinstance(newer, MemoryDisk)
    newer.damaged = int(ext.intersection(newer.differing(item), newer.data())[-1, 0])
    with pytest.raises(IntegrityError):
        await restore(kind, points[1], tmp_path, points)
    assert (await restore(kind, points[0], tmp_path, points)).trusted == "known"


async def test_a_digest_that_is_not_that_of_the_blocks(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB, 2)
    old, new = points[0].disks["vda"], points[1].disks["vda"]
    assert isinstance(old, MemoryDisk)
    forged = point(3, MemoryDisk(new.disk, old.blocks))
    with pytest.raises(IntegrityError, match="do not add up to its digest"):
        await restore(kind, forged, tmp_path, points)
    assert not (tmp_path / "image").exists()


async def test_several_disks_are_complete_or_say_which_failed(kind: ImageFormat, tmp_path: Path) -> None:
    a, b = (history(2 * MIB, 1, seed, name)[0].disks[name] for seed, name in enumerate(("vda", "vdb")))
    assert isinstance(a, MemoryDisk)
    assert isinstance(b, MemoryDisk)
    wanted = point(1, a, b)
    places = {"vda": Place(tmp_path / "a", kind), "vdb": Place(tmp_path / "b", kind)}
    b.damaged = int(b.data()[0, 0])
    with pytest.raises(IntegrityError, match=r"disk 'vdb': .* \(1 of 2 disks were ready before it\)"):
        await materialise(wanted, places, finder([]))
    assert not (tmp_path / "a").exists()
    b.damaged = None
    done = await materialise(wanted, places, finder([]))
    assert [item.name for item in done.disks] == ["vda", "vdb"]
    assert image(kind, tmp_path / "a", 2 * MIB) == a.bytes
    assert image(kind, tmp_path / "b", 2 * MIB) == b.bytes


async def test_nonsense_is_refused_before_anything_is_touched(kind: ImageFormat, tmp_path: Path) -> None:
    wanted = history(MIB, 1)[0]
    for places in ({}, {"vdx": Place(tmp_path / "x", kind)}):
        with pytest.raises(InvalidRequest):
            await materialise(wanted, places, finder([]))
    both = point(1, disk("vda", np.zeros(0, np.uint8), MIB), disk("vdb", np.zeros(0, np.uint8), MIB))
    with pytest.raises(InvalidRequest, match="two disks"):
        await materialise(both, {name: Place(tmp_path / "x", kind) for name in both.disks}, finder([]))
    with pytest.raises(TargetFailed, match=r"disk 'vda': .*No such file or directory") as caught:
        await materialise(wanted, {"vda": Place(tmp_path / "none" / "x", kind)}, finder([]))
    assert "create the directory" in caught.value.hint
    assert not os.listdir(tmp_path)


async def test_progress_tells_all_that_is_done(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB, 2)
    seen: list[Progress] = []
    places = {"vda": Place(tmp_path / "image", kind)}
    await materialise(points[0], places, finder(points), listener=seen.append)
    (tmp_path / "image").touch()
    done: Restored = await materialise(points[1], places, finder(points), overwrite=True, listener=seen.append)
    assert done.disks[0].trusted == "scan"
    steps = [(step, list(told)) for step, told in itertools.groupby(seen, lambda item: item.step)]
    assert [step for step, _ in steps] == ["write", "prove", "scan", "write", "prove"]
    for _, told in steps:
        assert told[-1].done == told[-1].total


async def test_cancelled_it_lets_go_and_can_be_repeated(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(16 * MIB, 1)
    places = {"vda": Place(tmp_path / "image", kind)}
    reached = asyncio.Event()

    def listen(progress: Progress) -> None:
        if progress.done:
            reached.set()

    task = asyncio.create_task(materialise(points[0], places, finder([]), listener=listen))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "image" not in os.listdir(tmp_path)
    await restore(kind, points[0], tmp_path, points)


async def test_two_at_once_do_not_mix(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(8 * MIB, 2)
    places = {"vda": Place(tmp_path / "image", kind)}
    done = await asyncio.gather(*(materialise(point, places, finder(points)) for point in points), return_exceptions=True)
    won = [item for item in done if isinstance(item, Restored)]
    assert all(isinstance(item, Restored | Conflict | TargetFailed) for item in done)
    if won:
        assert image(kind, tmp_path / "image", 8 * MIB) in [expected(point) for point in points if point.point == won[-1].point]
    await restore(kind, points[1], tmp_path, points)
