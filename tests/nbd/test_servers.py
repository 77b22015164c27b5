"""The client against servers that people run."""

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest

from understudy.nbd.client import NbdClient
from understudy.nbd.failure import NbdFailed
from understudy.nbd.wire import DIRTY_BIT, HOLE_BIT, ZERO_BIT, Flags

MIB = 1 << 20


def noise(size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def file_of(path: Path, content: np.ndarray) -> Path:
    path.write_bytes(content.tobytes())
    return path


async def test_reads_everything_in_any_order(qemu_nbd, tmp_path):
    content = noise(9 * MIB)
    async with await NbdClient.connect_unix(qemu_nbd(file_of(tmp_path / "d", content), "-r")) as client:
        assert client.size == len(content)
        assert client.flags & Flags.READ_ONLY
        whole = np.zeros(len(content), np.uint8)
        await client.read_into(0, whole)
        assert (whole == content).all()

        pieces = [
            (offset, np.zeros(length, np.uint8)) for offset, length in ((5 * MIB + 1, 70001), (0, 1), (len(content) - 3, 3), (7, 3 * MIB))
        ]
        await asyncio.gather(client.read_pieces(pieces[:2]), client.read_pieces(pieces[2:]))
        for offset, buffer in pieces:
            assert (buffer == content[offset : offset + len(buffer)]).all()


@pytest.mark.parametrize("form", ["raw", "qcow2"])
async def test_writes_zeroes_trims_and_flushes(qemu_nbd, tmp_path, form):
    image = tmp_path / "disk"
    run("qemu-img", "create", "-q", "-f", form, str(image), "8M")
    expected = np.zeros(8 * MIB, np.uint8)
    async with await NbdClient.connect_unix(qemu_nbd(image, form=form), contexts=["base:allocation"]) as client:
        data = noise(3 * MIB + 5)
        await client.write(MIB - 3, data)
        expected[MIB - 3 : 4 * MIB + 2] = data
        await client.write_zeroes(2 * MIB + 1, MIB)
        expected[2 * MIB + 1 : 3 * MIB + 1] = 0
        await client.write_zeroes(3 * MIB + 1, 10, punch=False)
        expected[3 * MIB + 1 : 3 * MIB + 11] = 0
        await client.trim(6 * MIB, MIB)
        await client.flush()
        whole = np.ones(8 * MIB, np.uint8)
        await client.read_into(0, whole)
        assert (whole == expected).all()

        rows = await anext(client.block_status("base:allocation", 0, client.size))
        assert rows[0, 0] == 0
        assert (rows[1:, 0] == rows[:-1, 0] + rows[:-1, 1]).all()
        assert rows[-1, :2].sum() == client.size
        zero = np.zeros(8 * MIB, bool)
        for offset, length, flags in rows:
            zero[offset : offset + length] = bool(flags & ZERO_BIT)
        assert not expected[zero].any()
        assert zero[5 * MIB :].all()
        assert (await anext(client.block_status("base:allocation", 100, 1000)))[:, :2].tolist() == [[100, 1000]]
    if form == "qcow2":
        run("qemu-img", "check", "-q", "-U", "-f", "qcow2", str(image))


async def test_an_odd_size_is_readable_to_its_last_byte(qemu_nbd, tmp_path):
    content = noise(MIB + 513)
    async with await NbdClient.connect_unix(qemu_nbd(file_of(tmp_path / "d", content))) as client:
        # QEMU rounds an image up to whole sectors and pads with zeroes.
        assert client.size >= len(content)
        buffer = np.ones(client.size - MIB, np.uint8)
        await client.read_into(MIB, buffer)
        assert (buffer[:513] == content[MIB:]).all()
        assert not buffer[513:].any()


async def test_block_sizes_of_the_server_are_honoured(nbdkit, tmp_path):
    content = noise(2 * MIB)
    path = nbdkit(
        "--filter=blocksize-policy",
        "file",
        str(file_of(tmp_path / "d", content)),
        "blocksize-minimum=4096",
        "blocksize-preferred=8192",
        "blocksize-maximum=65536",
        "blocksize-error-policy=error",
    )
    async with await NbdClient.connect_unix(path) as client:
        assert (client.block_size.minimum, client.block_size.preferred, client.block_size.maximum) == (4096, 8192, 65536)
        await client.write(5000, b"\x11" * 100_000)
        content[5000:105_000] = 0x11
        await client.write_zeroes(200_001, 9000)
        content[200_001:209_001] = 0
        buffer = np.zeros(2 * MIB - 10, np.uint8)
        await client.read_into(3, buffer)
        assert (buffer == content[3:-7]).all()
    assert (tmp_path / "d").read_bytes() == content.tobytes()


async def test_a_server_without_structured_replies(nbdkit, tmp_path):
    content = noise(MIB)
    path = nbdkit("--no-sr", "file", str(file_of(tmp_path / "d", content)))
    async with await NbdClient.connect_unix(path, contexts=["base:allocation"]) as client:
        assert client.contexts == frozenset()
        buffer = np.zeros(MIB, np.uint8)
        await client.read_into(0, buffer)
        assert (buffer == content).all()
        with pytest.raises(NbdFailed, match="does not offer the meta context"):
            await anext(client.block_status("base:allocation", 0, MIB))


async def test_holes_cost_no_bytes_and_read_as_zero(nbdkit):
    async with await NbdClient.connect_unix(nbdkit("memory", "1P"), contexts=["base:allocation"]) as client:
        assert client.size == 1 << 50
        await client.write((1 << 50) - 4096, b"x" * 4096)
        buffer = np.ones(3 * MIB, np.uint8)
        await client.read_into((1 << 50) - 3 * MIB, buffer)
        assert not buffer[:-4096].any()
        assert (buffer[-4096:] == ord("x")).all()
        rows = await anext(client.block_status("base:allocation", (1 << 50) - (1 << 33), 1 << 33))
        assert rows[0, 2] == HOLE_BIT | ZERO_BIT
        assert rows[-1].tolist() == [(1 << 50) - 32768, 32768, 0]


async def test_what_is_said_of_much_comes_in_pieces(nbdkit):
    size = 1 << 40
    async with await NbdClient.connect_unix(nbdkit("memory", "1T"), contexts=["base:allocation"]) as client:
        for offset in (0, size // 2, size - 4096):
            await client.write(offset, b"x" * 4096)
        pieces = [rows async for rows in client.block_status("base:allocation", 100, size - 200)]
        assert len(pieces) > 3
        assert all((rows[1:, 0] == rows[:-1, 0] + rows[:-1, 1]).all() for rows in pieces)
        rows = np.concatenate(sorted(pieces, key=lambda rows: int(rows[0, 0])))
        assert (rows[0, 0], rows[-1, :2].sum()) == (100, size - 100)
        assert (rows[1:, 0] == rows[:-1, 0] + rows[:-1, 1]).all()
        assert rows[rows[:, 2] == 0, :2].tolist() == [[100, 32668], [size // 2, 32768], [size - 32768, 32668]]


async def test_dirty_bitmaps(qemu_nbd, tmp_path):
    image = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "64M")
    run("qemu-img", "bitmap", "--add", "-g", "65536", str(image), "b")
    for where in ("1M 64k", "10M 1", "64512k 1k"):
        run("qemu-io", "-c", f"write {where}", str(image))
    path = qemu_nbd(image, "-B", "b", "-r", form="qcow2")
    async with await NbdClient.connect_unix(path, contexts=["qemu:dirty-bitmap:b", "qemu:dirty-bitmap:none"]) as client:
        assert client.contexts == {"qemu:dirty-bitmap:b"}
        rows = await anext(client.block_status("qemu:dirty-bitmap:b", 0, client.size))
        dirty = rows[(rows[:, 2] & DIRTY_BIT) != 0, :2]
        assert dirty.tolist() == [[MIB, 65536], [10 * MIB, 65536], [63 * MIB, 65536]]


async def test_errors_of_one_request_leave_the_connection_usable(nbdkit, tmp_path):
    broken = tmp_path / "broken"
    path = nbdkit("--filter=error", "memory", "4M", "error-pread=ENOSPC", "error-pread-rate=100%", f"error-file={broken}")
    async with await NbdClient.connect_unix(path) as client:
        buffer = np.zeros(3 * MIB, np.uint8)
        broken.touch()
        with pytest.raises(NbdFailed, match="No space left") as caught:
            await client.read_into(0, buffer)
        assert caught.value.errno == 28
        broken.unlink()
        await client.read_into(0, buffer)


async def test_what_the_export_cannot_do_is_said(qemu_nbd, nbdkit, tmp_path):
    image = file_of(tmp_path / "d", noise(MIB))
    async with await NbdClient.connect_unix(qemu_nbd(image, "-r")) as client:
        with pytest.raises(NbdFailed, match="read-only"):
            await client.write(0, b"x")
        with pytest.raises(ValueError, match="do not lie in an export"):
            await client.read_into(MIB - 1, np.zeros(2, np.uint8))
        with pytest.raises(ValueError, match="writable"):
            await client.read_into(0, b"xx")
    with pytest.raises(NbdFailed, match="has no such export"):
        await NbdClient.connect_unix(str(tmp_path / "qemu-nbd.sock"), "missing")
    with pytest.raises(NbdFailed, match="No such file"):
        await NbdClient.connect_unix(str(tmp_path / "nothing"))


async def test_a_silent_server_is_given_up(nbdkit):
    path = nbdkit("--filter=delay", "memory", "1M", "delay-read=30")
    client = await NbdClient.connect_unix(path, timeout=0.3)
    with pytest.raises(NbdFailed, match=r"did not read within 0\.3 s"):
        await client.read_into(0, np.zeros(4096, np.uint8))
    with pytest.raises(NbdFailed, match="did not read"):
        await client.read_into(0, np.zeros(4096, np.uint8))
    await client.close()


async def test_a_cancelled_read_never_touches_its_buffer_again(nbdkit):
    path = nbdkit("--filter=delay", "pattern", "1M", "delay-read=300ms")
    async with await NbdClient.connect_unix(path) as client:
        buffer = np.zeros(MIB, np.uint8)
        task = asyncio.ensure_future(client.read_into(0, buffer))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other = np.zeros(4096, np.uint8)
        await client.read_into(4096, other)
        assert not buffer.any()
        assert other.any()
