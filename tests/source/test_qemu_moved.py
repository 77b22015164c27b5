"""A VM that moves to another QEMU at the moment at which it is frozen."""

import secrets

import pytest

from tests.source.machine import METHODS
from tests.source.moving import destination, migrate
from tests.source.test_qemu_shapes import cycle
from understudy.errors import SourceRefused
from understudy.source.qemu import tracked
from understudy.source.qemu_method import Wanted


@pytest.mark.parametrize("touched", [True, False], ids=["touched", "idle"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_vm_that_moves_right_before_the_instant(two_disks, method, touched):
    """When it was looked at it was there yet; at the instant its images are another's, who writes to them."""
    old, new = two_disks, destination(two_disks)
    old.wanted = Wanted(method, allow_pause=True)
    source = old.source()
    await source.recover(None)
    base, _ = await cycle(source, old, None, None)
    if touched:
        await old.write("vda", 0, 65536, 7)
    await new.start()

    async def moving(*judged):
        await migrate(old, new)
        await new.write("vda", 0, 65536, 8)
        return await tracked(*judged)

    try:
        source.trust = moving
        # QEMU refuses most of what makes a view of a disk that it gave away, but not all of it.
        with pytest.raises(SourceRefused):
            await source.freeze(secrets.token_hex(16), base)
        source.trust = tracked
        with pytest.raises(SourceRefused, match="migrated to another QEMU"):
            await source.freeze(secrets.token_hex(16), base)
        await source.remove()
        assert await old.leftovers() == []
    finally:
        await source.close()
        await new.kill()
