"""An image that ran on past a point comes back to it, and what it held beyond is there, bit for bit, in an overlay over the point."""

import asyncio
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.recovery import dying
from tests.recovery.memory import MemoryDisk, disk, expected, history, point
from tests.recovery.test_materialise import image
from understudy import extents as ext
from understudy.errors import Conflict, NotFound, StateFailed, TargetFailed
from understudy.model import BLOCK_SIZE, Bytes, Extents, blocks_of
from understudy.recovery import orphan as kept
from understudy.recovery import standing as st
from understudy.recovery.disk_work import MachineContent
from understudy.recovery.export.overlay import Overlay
from understudy.recovery.image_lock import lock_image
from understudy.recovery.orphan import read_orphan
from understudy.recovery.place import ImageFormat, Place
from understudy.recovery.progress import unheard
from understudy.recovery.rollback import RolledBack, roll_back
from understudy.recovery.vouch import vouch

MIB = 1 << 20
SIZE = 4 * MIB + 512
KINDS: tuple[ImageFormat, ...] = ("raw", "qcow2")
STRIDE = 5
"""Of the steps at which it is killed in each run of the tests; with 1 it takes half a minute."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.recovery.test_rollback"])


class OverPoint:
    """A disk of a point as an overlay of an export lies on it."""

    def __init__(self, content: MemoryDisk) -> None:
        self._content = content
        self.size = content.disk.size

    async def data(self, first: int, blocks: int) -> Extents:
        return ext.within(self._content.data(), first, blocks)

    async def read(self, offset: int, length: int) -> Bytes | None:
        return np.frombuffer(self._content.bytes[offset : offset + length], dtype=np.uint8)


async def saved(directory: Path, wanted: MachineContent, name: str = "vda") -> bytes:
    """What an export of the point with this overlay shows."""
    content = wanted.disks[name]
    assert isinstance(content, MemoryDisk)
    record = await asyncio.to_thread(read_orphan, directory)
    assert record is not None
    overlay = Overlay(directory, OverPoint(content), record.whose(name))
    try:
        shown = await overlay.read(0, content.disk.size)
        assert shown is not None
        return bytes(shown.data)
    finally:
        overlay.close()


def divergent(wanted: MachineContent, path: Path, kind: ImageFormat) -> bytes:
    """An image that was this and ran on: blocks rewritten, blocks made zero, holes filled, the short last block changed."""
    random = np.random.default_rng(5)
    content = bytearray(expected(wanted))
    for start in range(0, SIZE - BLOCK_SIZE, 40 * BLOCK_SIZE):
        length = int(random.integers(1, 3 * BLOCK_SIZE))
        content[start + 100 : start + 100 + length] = random.bytes(length) if start % 3 else bytes(length)
    content[-512:] = random.bytes(512)
    del content[SIZE:]
    path.with_suffix(".flat").write_bytes(content)
    subprocess.run(["qemu-img", "convert", "-O", kind, "-f", "raw", path.with_suffix(".flat"), path], check=True)
    path.with_suffix(".flat").unlink()
    if kind == "qcow2":
        # As one has that QEMU has run from; whoever opens it for writing touches it.
        subprocess.run(["qemu-img", "bitmap", "--add", path, "understudy-kept-1"], check=True)
    return bytes(content)


async def back(kind: ImageFormat, wanted: MachineContent, directory: Path, changed: Extents | None = None) -> RolledBack:
    places = {"vda": Place(directory / "image", kind)}
    return await roll_back(wanted, places, directory / "orphan", changed=None if changed is None else {"vda": changed})


@pytest.mark.parametrize("kind", KINDS)
async def test_back_and_nothing_lost(kind: ImageFormat, tmp_path: Path) -> None:
    wanted = history(SIZE, 1)[0]
    before = divergent(wanted, tmp_path / "image", kind)
    done = await back(kind, wanted, tmp_path)
    assert image(kind, tmp_path / "image", SIZE) == expected(wanted)
    assert await saved(tmp_path / "orphan", wanted) == before
    assert 0 < done.saved["vda"] < SIZE // 2
    record, again = read_orphan(tmp_path / "orphan"), await roll_back(wanted, {"vda": Place(tmp_path / "image", kind)}, tmp_path / "empty")
    assert (record and record.saved, again.saved) == (done.saved["vda"], {"vda": 0})
    assert st.held(st.read(tmp_path / "image"), wanted.subject("vda"), st.Identity.of(tmp_path / "image")) == st.Holds(wanted.point)
    # Said again it is done already; used since, it is another rollback.
    assert (await back(kind, wanted, tmp_path)).disks[0].written == 0
    assert st.held(st.read(tmp_path / "image"), wanted.subject("vda"), st.Identity.of(tmp_path / "image")) == st.Holds(wanted.point)
    for _ in range(2):
        os.utime(tmp_path / "image")
        await vouch(Place(tmp_path / "image", kind), wanted.vault, wanted.machine, partial(found, wanted), unheard)
        assert (await back(kind, wanted, tmp_path)).disks[0].written == 0
    os.utime(tmp_path / "image")
    with pytest.raises(Conflict, match="has been used since"):
        await back(kind, wanted, tmp_path)
    assert await saved(tmp_path / "orphan", wanted) == before


async def found(wanted: MachineContent, point: str) -> MachineContent | None:
    return wanted if point == wanted.point else None


def differing(wanted: MachineContent, held: bytes) -> Extents:
    content = wanted.disks["vda"]
    assert isinstance(content, MemoryDisk)
    other = np.zeros(blocks_of(SIZE) * BLOCK_SIZE, dtype=np.uint8)
    other[:SIZE] = np.frombuffer(held, dtype=np.uint8)
    return content.differing(MemoryDisk(content.disk, other))


@pytest.mark.parametrize("told", ["exactly", "too much", "too little", "nothing"])
async def test_told_what_changed(told: str, tmp_path: Path) -> None:
    """Whatever it is told: what differs is saved before it is overwritten."""
    wanted = history(SIZE, 1)[0]
    before = divergent(wanted, tmp_path / "image", "raw")
    true = differing(wanted, before)
    changed = {"exactly": true, "too much": ext.whole(blocks_of(SIZE) + 9), "too little": true[::2], "nothing": true[:0]}[told]
    steps: list[str] = []
    places = {"vda": Place(tmp_path / "image", "raw")}
    await roll_back(wanted, places, tmp_path / "orphan", changed={"vda": changed}, listener=lambda now: steps.append(now.step))
    assert ("scan" in steps) == (told in ("too little", "nothing"))
    assert (tmp_path / "image").read_bytes() == expected(wanted)
    assert await saved(tmp_path / "orphan", wanted) == before


async def test_an_image_at_the_point_needs_nothing(tmp_path: Path) -> None:
    wanted = history(SIZE, 1)[0]
    (tmp_path / "image").write_bytes(expected(wanted))
    done = await back("raw", wanted, tmp_path)
    assert (done.saved, done.disks[0].written) == ({"vda": 0}, 0)


async def test_refused_with_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = history(SIZE, 1)[0]
    with pytest.raises(NotFound):
        await back("raw", wanted, tmp_path)
    before = divergent(wanted, tmp_path / "image", "raw")
    with (tmp_path / "image").open("r+b") as used:
        lock_image(used.fileno(), tmp_path / "image")
        with pytest.raises(Conflict, match="in use"):
            await back("raw", wanted, tmp_path)
    assert not (tmp_path / "orphan").exists()
    state = os.statvfs(tmp_path)
    monkeypatch.setattr(kept.os, "statvfs", lambda path: os.statvfs_result((*state[:4], 10, *state[5:])))
    with pytest.raises(StateFailed, match="MiB left"):
        await back("raw", wanted, tmp_path)
    assert (tmp_path / "image").read_bytes() == before
    with (tmp_path / "image").open("ab") as file:
        file.write(bytes(BLOCK_SIZE))
    with pytest.raises(TargetFailed, match="not an image of this disk"):
        await back("raw", wanted, tmp_path)


async def test_a_directory_of_another_rollback(tmp_path: Path) -> None:
    points = history(SIZE, 2)
    divergent(points[0], tmp_path / "image", "raw")
    await back("raw", points[0], tmp_path)
    with pytest.raises(Conflict, match="another rollback"):
        await back("raw", points[1], tmp_path)


async def test_run_on_after_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between saving and overwriting, and the old VM was started once more: its newest writes are saved, too."""
    wanted = history(SIZE, 1)[0]
    divergent(wanted, tmp_path / "image", "raw")

    class Killed(BaseException):
        pass

    async def killed(*arguments: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("understudy.recovery.disk_work.DiskWork.write", killed)
        with pytest.raises(Killed):
            await back("raw", wanted, tmp_path)
    record = read_orphan(tmp_path / "orphan")
    assert record is not None
    assert record.state == "saved"
    # The record says that the image may be half overwritten: whoever changes it then is noticed.
    with (tmp_path / "image").open("r+b") as file:
        file.write(b"newest")
    with pytest.raises(Conflict, match="has been used since"):
        await back("raw", wanted, tmp_path)
    before = (tmp_path / "image").read_bytes()
    await roll_back(wanted, {"vda": Place(tmp_path / "image", "raw")}, tmp_path / "other")
    assert await saved(tmp_path / "other", wanted) == before


async def test_two_at_once(tmp_path: Path) -> None:
    wanted = history(SIZE, 1)[0]
    before = divergent(wanted, tmp_path / "image", "raw")
    done = await asyncio.gather(*(back("raw", wanted, tmp_path) for _ in range(2)), return_exceptions=True)
    assert sorted(type(item) for item in done if not isinstance(item, RolledBack)) in ([], [Conflict])
    assert (tmp_path / "image").read_bytes() == expected(wanted)
    assert await saved(tmp_path / "orphan", wanted) == before


def two_disks() -> MachineContent:
    blocks = [np.random.default_rng(seed).integers(0, 256, MIB, dtype=np.uint8) for seed in (1, 2)]
    return point(1, *(disk(name, data, MIB) for name, data in zip(("vda", "vdb"), blocks, strict=True)))


def die(directory: str, step: int) -> None:
    at = Path(directory)
    dying.after(step)
    asyncio.run(roll_back(two_disks(), {name: Place(at / name, "raw") for name in ("vda", "vdb")}, at / "orphan"))


def test_killed_at_every_step(tmp_path: Path) -> None:
    """Before a call that changes anything, then once more later, then to its end: both disks as they ran on are in the orphan."""
    wanted = two_disks()
    before: dict[str, bytes] = {}
    for number, name in enumerate(wanted.disks):
        content = bytearray(expected(wanted, name))
        content[number * 8192 : 300_000] = np.random.default_rng(9 + number).bytes(300_000 - number * 8192)
        before[name] = bytes(content)
    killed = 0
    for step in itertools.count(1, STRIDE):
        at = tmp_path / str(step)
        at.mkdir()
        for name, held in before.items():
            (at / name).write_bytes(held)
        ended = [attempt(at, number) for number in (step, step // 2 + 1)]
        if not (at / "orphan" / "orphan.json").exists():
            assert {name: (at / name).read_bytes() for name in before} == before
        asyncio.run(roll_back(wanted, {name: Place(at / name, "raw") for name in before}, at / "orphan"))
        for name, held in before.items():
            assert (at / name).read_bytes() == expected(wanted, name)
            assert asyncio.run(saved(at / "orphan", wanted, name)) == held
        shutil.rmtree(at)
        if ended[0]:
            break
        killed += 1
    assert killed * STRIDE > 20


def attempt(directory: Path, step: int) -> bool:
    """Whether it came to its end."""
    process = CONTEXT.Process(target=die, args=(str(directory), step))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0
