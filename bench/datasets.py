"""Four kinds of data, and two adversarial ones, 64 MiB each: far more than the caches hold. Built once a run."""

import sqlite3
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

SIZE = 64 << 20
KINDS = ("zero", "system", "database", "random")
ADVERSARIAL = ("alternate", "one byte")
BLOCK = 4096


@cache
def dataset(kind: str) -> np.ndarray:
    made = {"zero": _zero, "system": _system, "database": _database, "random": _random, "alternate": _alternate, "one byte": _one_byte}
    return made[kind]()


def _zero() -> np.ndarray:
    data = np.ones(SIZE, np.uint8)
    data[:] = 0  # pages of its own, not the kernel's one page of zeros
    return data


def _random() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)


def _alternate() -> np.ndarray:
    """Every second block zero, the others random: the shortest runs of both."""
    data = _random()
    data.reshape(-1, BLOCK)[::2] = 0
    return data


def _one_byte() -> np.ndarray:
    """Blocks of zeros but for one byte of each, anywhere in it: none is a zero, and that is seen late."""
    rng, data = np.random.default_rng(4), _zero()
    blocks = data.reshape(-1, BLOCK)
    blocks[np.arange(len(blocks)), rng.integers(0, BLOCK, len(blocks))] = rng.integers(1, 256, len(blocks), dtype=np.uint8)
    return data


def _system() -> np.ndarray:
    """Programs and libraries of this system."""
    parts, left = [], SIZE
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/bin"):
        for path in sorted(Path(folder).glob("*")):
            if left > 0 and path.is_file() and not path.is_symlink():
                parts.append(np.fromfile(path, np.uint8, left))
                left -= len(parts[-1])
    data = np.concatenate(parts)
    return np.resize(data, SIZE)


def _database() -> np.ndarray:
    """The pages of a table with an index: short text, numbers and hashes."""
    rng = np.random.default_rng(2)
    words = [bytes(rng.integers(97, 123, int(n), dtype=np.uint8)).decode() for n in rng.integers(3, 12, 2000)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.sqlite"
        base = sqlite3.connect(path)
        base.executescript("pragma journal_mode=off; pragma synchronous=off; create table t(id integer primary key, who, what, n, h blob);")
        base.execute("create index i on t(who)")
        rows = 450_000
        picks, numbers, hashes = rng.integers(0, 2000, (rows, 9)), rng.integers(0, 10**6, rows), rng.bytes(rows * 16)
        base.executemany(
            "insert into t(who, what, n, h) values (?, ?, ?, ?)",
            (
                (words[row[0]], " ".join(words[i] for i in row[1:]), int(number), hashes[at * 16 : at * 16 + 16])
                for at, (row, number) in enumerate(zip(picks.tolist(), numbers, strict=True))
            ),
        )
        base.commit()
        base.close()
        return np.resize(np.fromfile(path, np.uint8, SIZE), SIZE)
