"""Random cycles, prunes, holds, shortcuts, collections on two hosts, failures and restarts: whatever is kept stays what it was."""

import contextlib
from pathlib import Path

import numpy as np

from tests.faults import Action, Fault
from tests.vault.collect.stage import HOUR, Stage
from understudy.errors import InDoubt, StoreUnavailable
from understudy.vault import kinds


async def soak(root: Path, seed: int, steps: int) -> int:
    """Bytes that collections gave back. After each step every kept point is compared with what its disks were."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    stage = await Stage.begin(root, rng, size=int(rng.integers(100_000, 500_000)))
    await stage.cycles(2)
    holds: list[tuple[bytes, str]] = []
    freed = 0
    for _ in range(steps):
        kept = await stage.kept()
        match str(rng.choice(["cycle", "grow", "prune", "hold", "lift", "shortcut", "collect", "collect", "fail", "restart"])):
            case "cycle":
                await stage.cycles(int(rng.integers(1, 4)), writes=int(rng.integers(1, 8)))
            case "grow":
                path = stage.world.disk("vda")
                size = int(rng.integers(50_000, 500_000))
                path.write_bytes(path.read_bytes()[:size].ljust(size, b"\0"))
                await stage.cycles(1)
            case "prune":
                await stage.prune([point for point in kept[:-1] if rng.random() < rng.random()])
            case "hold":
                point = str(rng.choice(kept))
                holds.append((await stage.hold(point), point))
            case "lift" if holds:
                identity, point = holds.pop(int(rng.integers(len(holds))))
                async with stage.operator() as (_, log):
                    await log.append(kinds.Hold(id=identity, point=bytes.fromhex(point), reason="", lifted=True))
            case "shortcut":
                await stage.shortcut(str(rng.choice(kept)))
            case "collect":
                stage.uptime += float(rng.integers(0, 2 * HOUR))
                done = await stage.collect(int(rng.choice([0, 0, HOUR])), str(rng.choice(["operator", "elsewhere"])))
                freed += done.deleted[1]
            case "fail":
                action = Action.FAIL_BEFORE if rng.random() < 0.5 else Action.FAIL_AFTER
                fault = Fault(action, str(rng.choice(["create", "delete", "get", "*"])), skip=int(rng.integers(0, 40)), times=-1)
                with contextlib.suppress(StoreUnavailable, InDoubt):
                    await stage.collect(int(rng.choice([0, HOUR])), schedule=[fault])
            case "restart":
                stage.boot, stage.uptime = str(rng.random()), float(rng.integers(0, HOUR))
        await stage.check()
    # In the end one point is left, and no more than it needs: half of a pack in vain, maps, lists.
    for identity, point in holds:
        async with stage.operator() as (_, log):
            await log.append(kinds.Hold(id=identity, point=bytes.fromhex(point), reason="", lifted=True))
    await stage.cycles(1)
    await stage.prune(await stage.kept())
    for _ in range(3):
        stage.uptime += 2 * HOUR
        freed += (await stage.collect(0)).deleted[1]
        await stage.cycles(1)
        await stage.check()
    needed = stage.world.disk("vda").stat().st_size
    packs = sum(size for name, size in stage.stored().items() if name.startswith("packs/"))
    assert packs < 2 * needed + 200_000
    return freed


async def test_random(tmp_path: Path) -> None:
    assert await soak(tmp_path, 1, 30) > 0
