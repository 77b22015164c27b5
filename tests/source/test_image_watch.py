"""Where the kernel has no more room to tell of files, that is a doubt, with its reason: never a cycle that fails."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.source.file_facts import process
from understudy.source.image_chain import Chain
from understudy.source.image_watch import UNWATCHED, ImageWatch


@contextmanager
def no_more_files() -> Iterator[None]:
    """The kernel's answer is the one that it gives when the user's instances are used up."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_limit_that_is_reached_is_a_doubt_that_names_it(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(4096))
    us, chain = process(os.getpid()), Chain("shape", (str(image),))
    watch = ImageWatch()
    assert await watch.confirm(us, [(chain, "record")]) == [UNWATCHED]
    with no_more_files():
        held = await watch.hold(us, [chain, "no chain"], [{"record"}, {"record"}])
        for _ in range(2):
            (reason, other) = await watch.confirm(us, [(chain, "record"), ("no chain", "record")])
            assert "max_user_" in reason
            assert other == "no chain"
    assert ["max_user_" in reason for reason in held] == [True, True]
    # Once there is room again it is watched as ever, or doubted for what is wrong by then.
    (held_now,) = await watch.hold(us, [chain], [{"record"}])
    assert "max_user_" not in held_now
    await watch.close()
    assert await watch.confirm(us, [(chain, "record")]) == [UNWATCHED]
