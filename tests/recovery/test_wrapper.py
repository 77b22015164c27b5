"""The wrapper around a raw disk: its bytes stay, and are read and written through it."""

import asyncio
import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from understudy.errors import Conflict, InvalidRequest, NotFound, TargetFailed
from understudy.recovery.wrapper import wrap

MIB = 1 << 20


def tool(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def made(raw: Path, to: Path) -> int:
    return asyncio.run(wrap(raw, to))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "a, raw disk"
    path.write_bytes(os.urandom(3 * MIB) + bytes(MIB) + os.urandom(512))
    return path


def test_the_disks_bytes_stay(raw: Path, tmp_path: Path) -> None:
    before, digest = raw.stat(), hashlib.sha256(raw.read_bytes()).digest()
    to = tmp_path / "disk,1.qcow2"
    assert made(raw, to) == 4 * MIB + 512
    after = raw.stat()
    assert hashlib.sha256(raw.read_bytes()).digest() == digest
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, before.st_mtime_ns, before.st_ctime_ns)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([raw.name, to.name])
    assert "identical" in tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", to, raw)
    # What is written and discarded through it is in the raw file, too, and a record of changes finds room.
    tool("qemu-io", "-f", "qcow2", "-d", "unmap", "-c", "write -P 9 1M 64k", "-c", "discard 2M 128k", "-c", "write -z 0 64k", to)
    assert "identical" in tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", to, raw)
    assert raw.read_bytes()[MIB : MIB + 65536] == b"\x09" * 65536
    tool("qemu-img", "bitmap", "--add", "-f", "qcow2", to, "record")
    tool("qemu-img", "check", "-q", "-f", "qcow2", to)


def test_nothing_is_overwritten(raw: Path, tmp_path: Path) -> None:
    to = tmp_path / "there"
    to.symlink_to("nowhere")
    with pytest.raises(Conflict, match="exists already"):
        made(raw, to)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([raw.name, "there"])


def test_a_disk_in_use(raw: Path, tmp_path: Path) -> None:
    with subprocess.Popen(["qemu-nbd", "-t", "-f", "raw", "-k", str(tmp_path / "socket"), str(raw)]) as server:
        try:
            while not (tmp_path / "socket").exists():
                assert server.poll() is None
            with socket.socket(socket.AF_UNIX) as client:
                # It listens before it has opened the image, and greets afterwards.
                client.connect(str(tmp_path / "socket"))
                assert client.recv(8) == b"NBDMAGIC"
                with pytest.raises(Conflict, match="in use"):
                    made(raw, tmp_path / "new.qcow2")
        finally:
            server.kill()
    assert not (tmp_path / "new.qcow2").exists()


def test_what_cannot_be_wrapped(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        made(tmp_path / "none", tmp_path / "new")
    with pytest.raises(InvalidRequest, match="regular file"):
        made(Path("/dev/null"), tmp_path / "new")
    made(raw, tmp_path / "wrapper")
    with pytest.raises(InvalidRequest, match="is a qcow2 image"):
        made(tmp_path / "wrapper", tmp_path / "new")
    (tmp_path / "odd").write_bytes(b"x" * 1000)
    with pytest.raises(InvalidRequest, match="sectors"):
        made(tmp_path / "odd", tmp_path / "new")
    with pytest.raises(TargetFailed, match="No such file"):
        made(raw, tmp_path / "nowhere" / "new")
    assert not (tmp_path / "new").exists()
