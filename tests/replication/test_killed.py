"""SIGKILL before every durable step of a cycle: what is committed is whole, what is not is invisible, and no change is lost."""

import signal
from pathlib import Path

import numpy as np

from tests.forks import ended
from tests.replication import killed_child
from tests.replication.trio import Trio
from tests.replication.world import World
from understudy.replication.initial import SLICE_BLOCKS
from understudy.replication.sigfile import HEADER_LIMIT

SIZE = 400_000
RECENT = 6
"""Points that are read after each step; all are at the end. They are three more with each."""


async def killed_at(root: Path, step: int, slice_blocks: int | None = SLICE_BLOCKS) -> bool:
    """Whether the child was killed; else it came to its end."""
    code = await ended(killed_child.run, root, step, slice_blocks)
    assert code in (0, -signal.SIGKILL)
    return code != 0


async def test_killed_before_every_step(tmp_path: Path) -> None:
    world = World(tmp_path)
    rng = np.random.default_rng(5)
    a = rng.integers(0, 256, SIZE, dtype=np.uint8).tobytes()
    world.disk("vda").write_bytes(a)
    await world.create()
    committed: dict[str, dict[str, bytes]] = {}
    step, killed = 0, True
    while killed:
        step += 1
        # a → b in the cycle that is killed → a again: a diff against the wrong one of them would lose the change.
        world.disk("vda").write_bytes(a)
        async with world.replicator() as replicator:
            await replicator.open()
            committed[(await replicator.cycle()).point] = {"vda": a}
            marks = {path: path.read_bytes()[:HEADER_LIMIT] for path in (replicator.directory / "signatures").iterdir()}
            # Nothing changed, which leaves no journal; and the mark in the signature file need not survive.
            committed[(await replicator.cycle()).point] = {"vda": a}
        for path, mark in marks.items() if step % 3 else ():
            with path.open("r+b") as file:
                file.write(mark)
        b = a[:100_000] + rng.integers(0, 256, 30_000 if step % 2 else 200_000, dtype=np.uint8).tobytes() + bytes(a[300_000:])
        world.disk("vda").write_bytes(b)
        killed = await killed_at(tmp_path, step)
        async with world.replicator() as replicator:
            await replicator.open()  # puts a record whose fate is unknown, byte for byte, into its slot
        found = await world.contents(newest=RECENT)
        assert all(committed.get(point, disks) == disks for point, disks in found.items())
        assert len(found) == min(RECENT, len(committed | found))
        unseen = [found[point] for point in found.keys() - committed.keys()]
        assert unseen in ([], [{"vda": b}])
        committed |= found
    assert await world.contents() == committed
    assert step > 15


async def test_a_group_killed_between_its_steps(tmp_path: Path) -> None:
    """Every instant that is complete is one of all machines; every point that there is belongs to what was frozen with it."""
    trio = Trio(tmp_path)
    known = [trio.write("at first")]
    await trio.create()
    async with trio.group() as group:
        await group.cycle()
    step, killed = 0, True
    while killed:
        step += 11
        known.append(trio.write(f"killed before step {step}"))
        killed = await killed_at(tmp_path, step, None)
        known.append(trio.write(f"after step {step}"))
        async with trio.group() as group:
            report = await group.cycle()
        found = await trio.instants()
        assert (found[-1].id, found[-1].complete) == (report.id, True)
        for instant in found[-3:]:
            content = await trio.contents(instant)
            assert any(content.items() <= disks.items() for disks in known)
    assert step > 33
