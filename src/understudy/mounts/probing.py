"""What lies on a disk, as blkid and partx see it. They look into a file: no device is made that others would look at, too."""

import os
import subprocess
from collections.abc import Sequence

from understudy import engine
from understudy.errors import StateFailed
from understudy.mounts.kinds import Partition, Signature, partitions_of, signature_of

PATIENCE = 300.0
"""Seconds for one look, at a disk that may have to be read from far away."""
_FIRST = 1 << 16
_SECTORS = (512, 4096)
_NOTHING, _SEVERAL = 2, 8


def found_on(disk: engine.MountedDisk) -> list[tuple[engine.Volume, Signature]]:
    """Its partitions; the disk itself where it has none."""
    whole = engine.Volume(disk=disk.name, partition=0, start=0, size=disk.size)
    signature = _signature(disk.raw, 0, disk.size)
    parts = _partitions(disk.raw) if signature.table and not signature.kind else ()
    if not parts:
        return [(whole, signature)]
    volumes = [engine.Volume(disk=disk.name, partition=part.number, start=part.start, size=part.size) for part in parts]
    return [(volume, _signature(disk.raw, volume.start, volume.size)) for volume in volumes]


def _signature(path: str, start: int, size: int) -> Signature:
    try:
        # To blkid, what cannot be read is empty.
        _read(path, start, min(size, _FIRST))
    except OSError as error:
        return Signature(unread=error.strerror or str(error))
    words = ["blkid", "--probe", "--output", "export", "--offset", str(start), "--size", str(size), path]
    status, output = _run(words, (0, _NOTHING, _SEVERAL))
    return signature_of(status, output)


def _partitions(path: str) -> Sequence[Partition]:
    # A table in larger sectors is not seen by who looks for one in smaller ones.
    for sector in _SECTORS:
        words = ["partx", "--pairs", "--output", "NR,START,SECTORS,TYPE", "--sector-size", str(sector), path]
        _, output = _run(words, (0,))
        parts = partitions_of(output)
        if parts:
            return parts
    return ()


def _read(path: str, start: int, length: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.pread(descriptor, length, start)
    finally:
        os.close(descriptor)


def _run(words: Sequence[str], good: Sequence[int]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise StateFailed(f"{words[0]} did not look at {words[-1]} within {PATIENCE:g} s", hint="does the vault's store answer?") from None
    if done.returncode not in good:
        raise StateFailed(f"{words[0]} cannot look at {words[-1]}: {done.stderr.strip()}", hint="see the log of the export")
    return done.returncode, done.stdout
