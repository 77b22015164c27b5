"""A VM moves to another QEMU on shared storage while it is followed; the old QEMU stays, as it does until somebody ends it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.trial import KIB64, Trial, begun
from tests.source.moving import destination, migrate
from understudy.errors import SourceRefused
from understudy.model import BLOCK_SIZE


@pytest.fixture
async def trial(short_directory: Path, tmp_path: Path) -> AsyncIterator[Trial]:
    async with begun(short_directory, tmp_path) as trial:
        yield trial


@pytest.mark.parametrize("capabilities", [(), ("dirty-bitmaps",)], ids=["plain", "dirty-bitmaps"])
async def test_a_vm_that_moved_is_followed_where_it_went(trial, capabilities):
    followed, old = trial.followed, trial.machine
    await trial.write("cow", 1)
    new = destination(old)
    await new.start()
    try:
        await migrate(old, new, capabilities)
        await new.write("cow", 2 * KIB64, KIB64, 77)
        for _ in range(2):
            with pytest.raises(SourceRefused, match="migrated to another QEMU"):
                await followed.blind()
        assert len((await followed.engine.points("web")).points) == 1
        await followed.end()
        followed.machine = new
        await followed.protect()
        cycle = await followed.cycle()
        if capabilities:
            # QEMU took our records along.
            assert (cycle.cause, cycle.reason) == ("delta", "")
            assert cycle.scanned_blocks == 2 * KIB64 // BLOCK_SIZE
        else:
            assert cycle.cause == "resync"
            assert "QEMU has no record of changes" in cycle.reason
        trial.must_be_proportionate(cycle)
        await new.write("raw", 5 * KIB64, KIB64, 78)
        assert (await followed.cycle()).cause == "delta"
        await followed.prove()
    finally:
        await followed.end()
        await new.kill()
