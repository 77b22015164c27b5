"""Whatever happens to a machine, in whatever order: each kept point restores to its bytes, and dropped space comes back in the end."""

from pathlib import Path

import numpy as np
import pytest

from tests.forks import start
from tests.local.lives import Life, killed, scribbled, step

KINDS = {
    **{"cycle": 6, "failing cycle": 3, "stale cycle": 1, "failover": 2, "killed cycle": 2},
    **{"retain": 2, "drop": 2, "hold": 1, "lift": 1, "shortcut": 1, "clock": 2},
    **{"collect": 6, "failing collection": 4, "killed collect": 4},
}


async def live(root: Path, seed: int, steps: int) -> Life:
    print(f"seed {seed}")
    life = await Life.begin(root, seed)
    await life.cycle("here")
    weights = np.array(list(KINDS.values()), dtype=float)
    done: list[str] = []
    for number in range(steps):
        kind = str(life.rng.choice(list(KINDS), p=weights / weights.sum()))
        done.append(kind)
        print(number, kind)
        if kind.startswith("killed "):
            await kill(life, kind.removeprefix("killed "))
        else:
            await step(life, kind)
        await life.check(thoroughly=number % 8 == 7)
    await life.end()
    assert "collect" in done
    return life


async def kill(life: Life, kind: str) -> None:
    if kind == "cycle":
        scribbled(life)
        life.tried.append(life.disk(life.primary).read_bytes())
    when, number, seed = str(life.rng.choice(["before", "after"])), int(life.rng.integers(0, 8)), int(life.rng.integers(0, 1 << 30))
    child = start(killed, str(life.root), seed, kind, life.primary, when, number)
    child.join()
    assert child.exitcode in (0, -9)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_life(seed: int, tmp_path: Path) -> None:
    assert (await live(tmp_path, seed, 25)).swept > 10, "its log was trimmed"
