"""The image that all tools are given: an ext4 with files of this host, and how it changes. Made once for each size and kept under .cache.

Which files, and where the image changes to what, follows from names and numbers alone: a host has the same work each time.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

CACHE = Path(".cache/bench")
SYSTEM = Path("/usr")
GIB = 1 << 30
BLOCK = 4096
SHARE = 0.62
"""Of an image is files: 2.5 GB of 4 GiB."""
LARGEST = 64 << 20
"""Bytes of a file that is taken: a few huge ones would be most of the image."""
TIMES = 10
"""As many images fit where all tools keep theirs, each in several versions."""
CHANGED = 0.01
BORN = 1_700_000_000
"""The time of all that is in the image."""


def image_of(size: int) -> Path:
    """The image of so many bytes, made if it is not there."""
    image = CACHE.absolute() / f"system-{size >> 20}.raw"
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=image.parent) as name:
            tree, made = Path(name) / "tree", Path(name) / "image"
            _copy(_picked(_files(SYSTEM), int(size * SHARE)), tree)
            _format(made, tree, size)
            made.rename(image)
    return image


def must_be_comparable(image: Path) -> int:
    """How many bytes it has. `ValueError` for what is no image, or has too little that could be changed."""
    if not image.is_file():
        raise ValueError(f"{image} is no regular file: of a disk, copy it to one")
    size = image.stat().st_size
    if size // BLOCK * CHANGED < 1:
        raise ValueError(f"{image} has less than {1 / CHANGED:.0f} blocks of {BLOCK} bytes: a change of {CHANGED:.0%} would be none")
    return size


def must_have_room(where: Path, size: int) -> None:
    """`ValueError` where what all tools keep of an image of so many bytes would fill the disk in the middle of a run."""
    free = shutil.disk_usage(where).free
    if free < TIMES * size:
        raise ValueError(f"{where} has {free / GIB:.0f} GiB free, and an image of {size / GIB:g} GiB needs {TIMES * size / GIB:.0f}")


def copy_of(image: Path, to: Path) -> None:
    subprocess.run(["cp", "--sparse=always", image, to], check=True)
    subprocess.run(["sync", to], check=True)


def change(image: Path, *, scattered: bool, seed: int) -> int:
    """Overwrites 1 % of the blocks, each with one of the image's own that is marked: it compresses as they do, and is found nowhere else.
    How many there were.
    """
    rng = np.random.default_rng(seed)
    with image.open("r+b") as file:
        blocks = os.fstat(file.fileno()).st_size // BLOCK
        count = int(blocks * CHANGED)
        where = targets(blocks, count, rng, scattered=scattered)
        filled = _filled(file.fileno())
        for number, (at, pattern) in enumerate(zip(where.tolist(), rng.choice(filled, count).tolist(), strict=True)):
            mark = seed.to_bytes(8, "little") + number.to_bytes(8, "little")
            os.pwrite(file.fileno(), mark + os.pread(file.fileno(), BLOCK - len(mark), pattern * BLOCK), at * BLOCK)
        os.fsync(file.fileno())
    return count


def targets(blocks: int, count: int, rng: np.random.Generator, *, scattered: bool) -> np.ndarray:
    """Numbers of blocks, rising: anywhere, each once, or one run."""
    if scattered:
        return np.sort(rng.choice(blocks, count, replace=False))
    return np.arange(count) + int(rng.integers(0, blocks - count))


def no_holes(descriptor: int) -> Iterator[tuple[int, int]]:
    """Beginning and end of each part that is no hole."""
    size, end = os.fstat(descriptor).st_size, 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # only a hole is left
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _filled(descriptor: int) -> np.ndarray:
    """Blocks that are no holes; all of them where there is nothing else."""
    found = [np.arange(-(-start // BLOCK), end // BLOCK) for start, end in no_holes(descriptor)]
    return np.concatenate(found) if found else np.arange(os.fstat(descriptor).st_size // BLOCK)


def _files(system: Path) -> Iterable[Path]:
    for folder, _, names in os.walk(system):
        for name in names:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _picked(files: Iterable[Path], wanted: int) -> list[Path]:
    """Files of so many bytes, in an order that mixes libraries, programs and texts, and is the same each time."""
    picked, left = [], wanted
    for path in sorted(files, key=lambda path: hashlib.sha256(os.fsencode(path)).digest()):
        size = path.stat().st_size
        if size <= min(left, LARGEST):
            picked.append(path)
            left -= size
    if left > wanted // 20:
        raise RuntimeError(f"{SYSTEM} has {wanted - left} bytes of files only, and {wanted} are wanted: choose a smaller --gib")
    return sorted(picked)


def _copy(files: Iterable[Path], tree: Path) -> None:
    for path in files:
        to = tree / path.relative_to("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        os.utime(to, (BORN, BORN))


def _format(image: Path, tree: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    identity = "11111111-2222-3333-4444-555555555555"
    options = ["-E", f"hash_seed={identity},lazy_itable_init=0,lazy_journal_init=1", "-U", identity]
    program = shutil.which("mke2fs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "mke2fs"
    environment = os.environ | {"E2FSPROGS_FAKE_TIME": str(BORN)}
    subprocess.run([program, "-q", "-F", "-t", "ext4", *options, "-d", tree, image], check=True, env=environment)
