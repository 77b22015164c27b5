"""A target that takes no more: said clearly, nothing half-true left, and repeating goes on."""

import asyncio
import multiprocessing
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.recovery.memory import expected, finder, history
from tests.recovery.test_materialise import image
from understudy.errors import TargetFailed
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place

SIZE = 16 << 20
LIMIT = 4 << 20
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.recovery.test_full_disk"])


def restore(path: str, kind: ImageFormat, number: int, limit: int, answer: "Connection[tuple[str, str], None]") -> None:
    points = history(SIZE, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        asyncio.run(materialise(points[number], {"vda": Place(Path(path), kind)}, finder(points)))
        answer.send(("", ""))
    except TargetFailed as error:
        answer.send((error.message, error.hint))


def limited(path: Path, kind: ImageFormat, number: int, limit: int = LIMIT) -> tuple[str, str]:
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=restore, args=(str(path), kind, number, limit, theirs))
    process.start()
    theirs.close()
    with ours:
        said: tuple[str, str] = ours.recv()
    process.join()
    return said


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_new_image_that_does_not_fit(kind: ImageFormat, tmp_path: Path) -> None:
    path = tmp_path / "image"
    message, hint = limited(path, kind, 0)
    assert message.startswith("disk 'vda': ")
    assert hint
    assert not path.exists()
    assert limited(path, kind, 0, resource.RLIM_INFINITY) == ("", "")
    assert image(kind, path, SIZE) == expected(history(SIZE, 1)[0])


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_an_existing_image_that_takes_no_more(kind: ImageFormat, tmp_path: Path) -> None:
    path = tmp_path / "image"
    assert limited(path, kind, 0, resource.RLIM_INFINITY) == ("", "")
    message, hint = limited(path, kind, 1)
    assert message.startswith("disk 'vda': ")
    assert hint
    assert limited(path, kind, 1, resource.RLIM_INFINITY) == ("", "")
    assert image(kind, path, SIZE) == expected(history(SIZE, 2)[1])
