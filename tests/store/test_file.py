"""What is particular to files: durability, leftovers, full and missing file systems."""

import asyncio
import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.conformance import Conformance
from understudy.errors import StoreRefused, StoreUnavailable
from understudy.store.file import FileStore, entries
from understudy.store.file_errors import translate
from understudy.store.file_publish import STAGING
from understudy.store.protocol import Creation, ObjectStore


class TestFileStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = FileStore(tmp_path)
        yield store
        await store.close()


class TestWithStagedFiles(Conformance):
    """As on a file system without nameless files."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = FileStore(tmp_path, nameless=False)
        yield store
        await store.close()
        assert list((tmp_path / STAGING).iterdir() if (tmp_path / STAGING).exists() else []) == []


async def test_foreign_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found" / "x").write_bytes(b"")
    (tmp_path / "README").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / "0").write_bytes(b"")
    store = FileStore(tmp_path)
    await store.create("a/b", [b"x"])
    assert [info.name async for info in store.list("")] == ["a/b"]
    assert await store.head("link") is None
    await store.close()


def test_what_is_not_asked_for_is_not_even_sorted(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "log" / name).mkdir(parents=True)
        (tmp_path / "log" / f"{name}1").write_bytes(b"")
    root = os.open(tmp_path, os.O_RDONLY)
    assert entries(root, "log/", "log/", "log/b/x") == ["log/b/", "log/b1", "log/c/", "log/c1"]
    assert entries(root, "log/", "log/b/x", "") == ["log/b/"]
    assert entries(root, "", "packs/", "") == entries(root, "log/", "log/", "log/d") == []
    os.close(root)


async def test_only_what_nobody_holds_is_swept(tmp_path: Path) -> None:
    staging = tmp_path / STAGING
    staging.mkdir()
    (staging / "left-over").write_bytes(b"of a killed process")
    (staging / "in-use").write_bytes(b"of a living one")
    with (staging / "in-use").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        store = FileStore(tmp_path, nameless=False)
        assert await store.create("a/b", [b"x"]) is Creation.CREATED
        await store.close()
    assert [path.name for path in staging.iterdir()] == ["in-use"]
    assert (tmp_path / "a" / "b").read_bytes() == b"x"


WRITER = """
import asyncio, sys
from pathlib import Path
from understudy.store.file import FileStore

async def main():
    store = FileStore(Path(sys.argv[1]), nameless=sys.argv[2] == "nameless")
    number = 0
    while True:
        assert (await store.create(f"objects/{number:08d}", [number.to_bytes(4, "little") * 50000])).value == "created"
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def kill_after(acknowledgements: int, root: Path, how: str) -> int:
    """Run a writer, kill it, and say which number it acknowledged last."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(root), how], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.send_signal(signal.SIGKILL)
        return int((lines + writer.stdout.read().split())[-1])


@pytest.mark.parametrize("how", ["nameless", "staged"])
async def test_a_killed_writer_leaves_only_whole_objects(tmp_path: Path, how: str) -> None:
    acknowledged = await asyncio.to_thread(kill_after, 20, tmp_path, how)
    store = FileStore(tmp_path, nameless=how == "nameless")
    listed = [info async for info in store.list("")]
    assert len(listed) - 1 in (acknowledged, acknowledged + 1)
    for number, info in enumerate(listed):
        assert info == (f"objects/{number:08d}", 200000)
        assert await store.get(info.name) == number.to_bytes(4, "little") * 50000
    await store.create("swept", [b"x"])
    assert not (tmp_path / STAGING).exists() or list((tmp_path / STAGING).iterdir()) == []
    await store.close()


async def test_a_missing_directory_is_not_made_behind_the_operators_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "not-mounted")
    with pytest.raises(StoreUnavailable, match="No such file") as caught:
        await store.create("x", [b"x"])
    assert "mounted" in caught.value.hint
    assert not (tmp_path / "not-mounted").exists()
    made = FileStore(tmp_path / "new", make=True)
    await made.create("x", [b"x"])
    deep = FileStore(tmp_path / "no" / "such", make=True)
    with pytest.raises(StoreUnavailable):
        await deep.head("x")
    for each in (store, made, deep):
        await each.close()


async def test_a_vault_moved_away_under_us_is_not_begun_anew(tmp_path: Path) -> None:
    root = tmp_path / "vault"
    root.mkdir()
    store = FileStore(root)
    await store.create("a/b", [b"x"])
    root.rename(tmp_path / "elsewhere")
    root.mkdir()
    assert await store.create("a/b", [b"y"]) is Creation.EXISTS
    assert list(root.iterdir()) == []
    await store.close()


async def test_files_and_directories_mixed_up(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.create("a/b", [b"x"])
    with pytest.raises(StoreRefused):
        await store.create("a", [b"x"])
    with pytest.raises(StoreRefused):
        await store.create("a/b/c", [b"x"])
    await store.close()


async def test_cancelled_creators_let_go_of_their_buffers(tmp_path: Path) -> None:
    """After the cancellation was raised nothing reads the buffer any more, so what is stored is what it held before."""
    store = FileStore(tmp_path)
    await store.head("warm")
    for number in range(10):
        buffer = bytearray(b"a" * 4_000_000)
        task = asyncio.create_task(store.create(f"x/{number}", [buffer]))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        buffer[:] = b"b" * len(buffer)
    async for info in store.list("x/"):
        assert await store.get(info.name) == b"a" * 4_000_000
    await store.close()


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENOSPC, StoreUnavailable, "free space on the file system of /v"),
        (errno.EDQUOT, StoreUnavailable, "quota"),
        (errno.EROFS, StoreRefused, "read-only"),
        (errno.EACCES, StoreRefused, "permission"),
        (errno.EIO, StoreUnavailable, "kernel log"),
        (errno.ESTALE, StoreUnavailable, "mount"),
    ],
)
def test_words_of_the_operating_system(number: int, kind: type[Exception], hint: str) -> None:
    error = translate(OSError(number, os.strerror(number)), Path("/v"), "a/b")
    assert type(error) is kind
    assert "/v/a/b" in error.message
    assert hint in error.hint


async def test_a_full_file_system(tmp_path: Path) -> None:
    """A file size limit fails the write like a full disk does: in the middle, and nothing appears."""
    code = (
        "import asyncio,resource,signal,sys\nfrom pathlib import Path\nfrom understudy.store.file import FileStore\n"
        "from understudy.errors import StoreUnavailable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "async def main():\n"
        "  store = FileStore(Path(sys.argv[1]))\n"
        "  try: await store.create('a/b', [bytes(99999), bytes(99999)])\n"
        "  except StoreUnavailable as error: print(error)\n"
        "  assert await store.head('a/b') is None\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
