"""Disks as guests leave them: made by the tools that make them, and taken away from under a file system that is in use."""

import struct
import subprocess
import zlib
from pathlib import Path

MIB = 1 << 20


def run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def dirty_ext4(path: Path) -> None:
    """What its disk held when its machine lost power: the newest file is in the journal alone."""
    live, point = path.with_suffix(".live"), path.with_suffix(".mounted")
    with live.open("wb") as file:
        file.truncate(16 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", live)
    point.mkdir()
    run("mount", "-o", "loop", live, point)
    try:
        (point / "etc").mkdir()
        (point / "etc" / "link").symlink_to("/etc/hostname")
        (point / "etc" / "old").write_text("old\n" * 5000)
        run("sync", "--file-system", point)
        (point / "etc" / "nginx.conf").write_text("newest\n")
        run("sync", point / "etc" / "nginx.conf")
        run("cp", "--sparse=always", live, path)
    finally:
        run("umount", point)
    live.unlink()
    assert "needs_recovery" in run("dumpe2fs", "-h", path)


def fat(path: Path) -> None:
    directory = path.with_suffix(".files")
    directory.mkdir()
    (directory / "boot.txt").write_text("boot\n")
    run("qemu-img", "convert", "-O", "raw", f"fat:floppy:{directory}", path)


def luks(path: Path) -> None:
    """Its header, as far as it says what it is: nobody opens it."""
    path.write_bytes(b"LUKS\xba\xbe\0\1".ljust(MIB, b"\0"))


def physical_volume(path: Path) -> None:
    """The label that LVM writes to the second sector: the checksum is over all that follows it."""
    body = struct.pack("<I8s32sQ", 32, b"LVM2 001", b"a" * 32, 4 * MIB).ljust(492, b"\0")
    checksum = zlib.crc32(body, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    path.write_bytes(bytes(512) + struct.pack("<8sQI", b"LABELONE", 1, checksum) + body + bytes(4 * MIB - 1024))


def partitioned(path: Path, *partitions: Path) -> None:
    """With a GPT."""
    run("nbdkit", "-U", "-", "partitioning", "partition-type=gpt", *partitions, "--run", f'nbdcopy "$uri" {path}')
