"""Every kind of target behaves as the Protocol says; files stay sparse, and what is not ours is refused."""

import asyncio
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from understudy import extents as ext
from understudy.errors import Conflict, TargetFailed, Unsupported
from understudy.model import BLOCK_SIZE, Bytes, Extents, blocks_of
from understudy.recovery.image_lock import lock_image
from understudy.recovery.protocol import Target
from understudy.recovery.qcow2 import Qcow2Target
from understudy.recovery.raw import RawTarget

KINDS = ("raw", "qcow2")
MIB = 1 << 20


async def new(kind: str, path: Path, size: int) -> Target:
    if kind == "qcow2":
        return await Qcow2Target.create(path, size)
    await asyncio.to_thread(path.touch)
    return RawTarget.open(path, size, 512, resize=True)


async def again(kind: str, path: Path, size: int, *, resize: bool = False) -> Target:
    if kind == "qcow2":
        return await Qcow2Target.open(path, size, resize=resize)
    return RawTarget.open(path, size, 512, resize=resize)


def rows(*pairs: tuple[int, int]) -> Extents:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def noise(seed: int, blocks: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, blocks * BLOCK_SIZE, dtype=np.uint8)


async def content(target: Target) -> bytes:
    whole = ext.whole(blocks_of(target.size))
    buffer = np.full(ext.total(whole) * BLOCK_SIZE, 0xEE, dtype=np.uint8)
    await target.read_into(whole, buffer)
    assert not buffer[target.size :].any()
    return buffer[: target.size].tobytes()


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def refused(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@contextmanager
def held_open(kind: str, path: Path) -> Iterator[None]:
    """Another program has the image, as a VM would."""
    with subprocess.Popen(["qemu-io", "-f", kind, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"read 0 4k\n")
        other.stdin.flush()
        assert b"read 4096" in other.stdout.readline()
        yield
        other.communicate(b"quit\n")


def flat(kind: str, path: Path, size: int) -> bytes:
    """The disk as QEMU itself reads it."""
    if kind == "raw":
        return path.read_bytes()
    out = path.with_suffix(".flat")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, out)
    return out.read_bytes()[:size]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [4096, 3 * MIB, 3 * MIB + 512, 3 * MIB + 4095, 1])
async def test_what_is_written_is_read_and_durable(kind: str, size: int, tmp_path: Path) -> None:
    blocks = blocks_of(size)
    expected = bytearray(blocks * BLOCK_SIZE)
    extents = rows((0, 1)) if blocks == 1 else rows((0, 1), (2, 3), (blocks - 2, 2))
    data = noise(1, ext.total(extents))
    # What lies past the disk's end comes as zeros, as the reader pads.
    data[len(data) - (blocks * BLOCK_SIZE - size) :] = 0
    at = 0
    for first, count in extents.tolist():
        expected[first * BLOCK_SIZE : (first + count) * BLOCK_SIZE] = data[at : at + count * BLOCK_SIZE].tobytes()
        at += count * BLOCK_SIZE
    target = await new(kind, tmp_path / "image", size)
    await target.write(extents, data)
    assert await content(target) == bytes(expected[:size])
    await target.seal()
    assert await content(target) == bytes(expected[:size])
    await target.close()
    await target.close()
    assert flat(kind, tmp_path / "image", size) == bytes(expected[:size])


@pytest.mark.parametrize("kind", KINDS)
async def test_holes_stay_holes_and_zeroes_punch(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    target = await new(kind, path, 64 * MIB)
    assert ext.total(await target.allocated()) == 0
    await target.write(rows((1024, 1024)), noise(2, 1024))
    assert ext.intersection(await target.allocated(), rows((1024, 1024))).tolist() == [[1024, 1024]]
    assert ext.total(await target.allocated()) <= 1024 + 32
    await target.seal()
    full = path.stat().st_blocks * 512
    assert 4 * MIB <= full < 6 * MIB
    await target.reopen()
    await target.write_zeroes(rows((0, 1100), (1200, 300), (1600, 10_000)))
    await target.seal()
    assert not any((await content(target))[: 1100 * BLOCK_SIZE])
    await target.close()
    assert path.stat().st_blocks * 512 < full - 2 * MIB
    image = flat(kind, path, 64 * MIB)
    data = noise(2, 1024).tobytes()
    assert image[1100 * 4096 : 1200 * 4096] == data[76 * 4096 : 176 * 4096]
    assert not any(image[1200 * 4096 : 1500 * 4096])
    assert image[1500 * 4096 : 1600 * 4096] == data[476 * 4096 : 576 * 4096]


@pytest.mark.parametrize("kind", KINDS)
async def test_zeroing_the_short_last_block(kind: str, tmp_path: Path) -> None:
    target = await new(kind, tmp_path / "image", 10_000)
    await target.write(rows((0, 3)), noise(3, 3))
    await target.write_zeroes(rows((2, 1)))
    await target.seal()
    await target.close()
    image = flat(kind, tmp_path / "image", 10_000)
    assert image[:8192] == noise(3, 2).tobytes()
    assert image[8192:] == bytes(10_000 - 8192)


@pytest.mark.parametrize("kind", KINDS)
async def test_many_small_extents_at_once(kind: str, tmp_path: Path) -> None:
    extents = np.stack([np.arange(0, 1000, 2), np.ones(500)], axis=1).astype(np.int64)
    target = await new(kind, tmp_path / "image", 1000 * BLOCK_SIZE)
    await asyncio.gather(*(target.write(extents[i : i + 100], noise(i, 100)) for i in range(0, 500, 100)))
    buffer = np.empty(500 * BLOCK_SIZE, dtype=np.uint8)
    await target.read_into(extents, buffer)
    await target.close()
    assert buffer.tobytes() == b"".join(noise(i, 100).tobytes() for i in range(0, 500, 100))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_image_of_another_size_is_refused_unless_it_is_ours(kind: str, tmp_path: Path) -> None:
    target = await new(kind, tmp_path / "image", 2 * MIB)
    await target.write(rows((0, 512)), noise(4, 512))
    await target.seal()
    await target.close()
    before = (tmp_path / "image").read_bytes()
    with pytest.raises(TargetFailed, match="not an image of this disk"):
        await again(kind, tmp_path / "image", 3 * MIB)
    assert (tmp_path / "image").read_bytes() == before
    for size in (3 * MIB + 512, MIB):
        target = await again(kind, tmp_path / "image", size, resize=True)
        assert (await content(target))[:MIB] == noise(4, 256).tobytes()
        assert not any((await content(target))[2 * MIB :])
        await target.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_image_in_use_is_refused_and_ours_is_kept_from_others(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    target = await new(kind, path, MIB)
    with pytest.raises(Conflict, match="in use"):
        await again(kind, path, MIB)
    assert "lock" in refused("qemu-io", "-f", kind, "-c", "write 0 4k", path)
    await target.close()
    with held_open(kind, path), pytest.raises(Conflict, match="in use"):
        await again(kind, path, MIB)
    await (await again(kind, path, MIB)).close()


async def test_qcow2_that_others_build_on_is_not_written(tmp_path: Path) -> None:
    base, overlay, snapshot, data = (tmp_path / name for name in ("base", "overlay", "snapshot", "data"))
    make = ("qemu-img", "create", "-q", "-f", "qcow2")
    run(*make, base, "1M")
    run(*make, "-b", base, "-F", "qcow2", overlay)
    run(*make, snapshot, "1M")
    run("qemu-img", "snapshot", "-c", "one", snapshot)
    run(*make, "-o", f"data_file={data}.raw", data, "1M")
    for path, words in ((overlay, "backing file"), (snapshot, "internal snapshots"), (data, "external data file")):
        with pytest.raises(TargetFailed, match=words):
            await Qcow2Target.open(path, MIB, resize=False)


async def test_garbage_is_no_qcow2(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(noise(5, 256).tobytes())
    with pytest.raises(TargetFailed, match="qemu-img failed"):
        await Qcow2Target.open(tmp_path / "image", MIB, resize=True)


async def test_a_missing_tool_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(Unsupported) as caught:
        await Qcow2Target.create(tmp_path / "image", MIB)
    assert "qemu-utils" in caught.value.hint


async def test_neither_file_nor_device_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(TargetFailed, match="neither a file nor a block device"):
            RawTarget.open(path, MIB, 512, resize=True)


async def test_no_qemu_nbd_outlives_its_target(tmp_path: Path) -> None:
    def children() -> list[str]:
        found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return [json.dumps(Path(f"/proc/{pid}/cmdline").read_text()) for pid in found]

    target = await Qcow2Target.create(tmp_path / "image", MIB)
    assert any("qemu-nbd" in line for line in children())
    await target.close()
    assert not any("qemu-nbd" in line for line in children())


async def test_a_file_cut_by_others_is_an_error_not_zeros(tmp_path: Path) -> None:
    target = await new("raw", tmp_path / "image", MIB)
    os.truncate(tmp_path / "image", 4096)
    with pytest.raises(TargetFailed, match="something else has cut it"):
        await content(target)
    await target.close()


async def test_locks_are_those_of_qemu(tmp_path: Path) -> None:
    """A lock on a byte that QEMU uses for something else does not disturb."""
    target_file = tmp_path / "image"
    target_file.write_bytes(bytes(MIB))
    with target_file.open("r+b") as other:
        fcntl.lockf(other, fcntl.LOCK_EX, 1, 500)
        await (RawTarget.open(target_file, MIB, 512, resize=False)).close()


async def test_a_file_that_gets_its_name_while_it_is_opened_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another restore ends just between the opening of its draft and the lock: what it made is not ours to write."""
    draft, published = tmp_path / "vda.partial", tmp_path / "vda"
    draft.write_bytes(bytes(MIB))

    def published_meanwhile(fd: int, path: Path) -> None:
        os.rename(draft, published)
        lock_image(fd, path)

    monkeypatch.setattr("understudy.recovery.raw.lock_image", published_meanwhile)
    with pytest.raises(TargetFailed, match="taken away"):
        RawTarget.open(draft, 2 * MIB, 512, resize=True)
    assert published.stat().st_size == MIB
