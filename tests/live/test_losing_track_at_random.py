"""All ways of losing track mixed, by chance: after each step the new point, and an old one, are what the disks were, byte for byte.

The life of a seed is always the same but for what races: kills within cycles, and writes during them.
"""

import pytest

from tests.live.restless_life import living

STEPS = 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_restless_machine(short_directory, tmp_path, seed):
    async with living(short_directory, tmp_path, seed) as life:
        for _ in range(STEPS):
            await life.step()
        await life.world.followed.prove()
        assert life.causes.total() == STEPS
