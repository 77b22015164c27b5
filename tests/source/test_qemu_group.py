"""VMs of one group at their common instant."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.source.conformance import padded, whole
from tests.source.machine import METHODS, MIB, Machine, blockdev
from tests.source.test_qemu_pause import status
from understudy.errors import SourceUnavailable
from understudy.replication.gate import Assembly
from understudy.source.protocol import Snapshot, Wish
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import Wanted

LIMIT = 60.0


@pytest.fixture
async def machines() -> AsyncIterator[list[Machine]]:
    """Three that run."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(3):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="us-")))
            machine = Machine(directory, [blockdev(directory, "vda", "raw", MIB)])
            stack.push_async_callback(machine.kill)
            await machine.start()
            await machine.execute("cont")
            found.append(machine)
        yield found


@asynccontextmanager
async def sources(machines: list[Machine]) -> AsyncIterator[list[QemuSource]]:
    async with AsyncExitStack() as stack:
        found = [machine.source() for machine in machines]
        for source in found:
            stack.push_async_callback(source.close)
            await source.recover(None)
        yield found


async def freeze_all(found: list[QemuSource], assembly: Assembly, *names: str) -> list[Snapshot | BaseException]:
    """Each in a task of its own, as a group does; who fails says so."""

    async def freeze(source: QemuSource, name: str) -> Snapshot:
        try:
            return await source.freeze(secrets.token_hex(16), None, Wish(gate=assembly.gate(name)))
        except BaseException as error:
            assembly.broken(name, error)
            raise

    freezes = (freeze(source, name) for source, name in zip(found, names, strict=True))
    return await asyncio.gather(*freezes, return_exceptions=True)


@pytest.mark.parametrize("turn", range(3))
async def test_all_stand_still_together_and_go_on(machines: list[Machine], turn: int) -> None:
    """Whatever the method of each; the last one was paused before."""
    methods = [Wanted(method, allow_pause=True) for method in METHODS]
    for number, machine in enumerate(machines):
        machine.wanted = methods[(number + turn) % len(methods)]
    await machines[2].execute("stop")
    for number, machine in enumerate(machines):
        await machine.write("vda", 0, 65536, number + 1)
    async with sources(machines) as found:
        snapshots = await freeze_all(found, Assembly("abc", LIMIT), *"abc")
        assert [await status(machine) for machine in machines] == ["running", "running", "paused"]
        for number, (machine, snapshot) in enumerate(zip(machines, snapshots, strict=True)):
            assert isinstance(snapshot, Snapshot), snapshot
            assert (snapshot.paused > 0) == (number < 2)
            before = (await machine.contents())["vda"]
            await machine.write("vda", 0, 65536, 0xEE)
            assert np.array_equal(await whole(snapshot.disks[0]), padded(before))
        for source in found:
            await source.release(False)


async def test_one_whose_vm_is_gone_fails_all_and_none_stands(machines: list[Machine]) -> None:
    async with sources(machines) as found:
        await machines[1].kill()
        outcomes = await freeze_all(found, Assembly("abc", LIMIT), *"abc")
        assert all(isinstance(outcome, SourceUnavailable) for outcome in outcomes)
        for machine in (machines[0], machines[2]):
            assert await status(machine) == "running"
            assert await machine.leftovers(lasting=False) == []


async def test_one_that_never_comes_does_not_keep_the_others_standing(machines: list[Machine]) -> None:
    async with sources(machines) as found:
        assembly = Assembly("abcd", 0.2)

        async def prepare_only() -> None:
            gate = assembly.gate("d")
            await gate.prepared()
            await gate.ready()

        late = asyncio.ensure_future(prepare_only())
        outcomes = await freeze_all(found, assembly, *"abc")
        await late
        assert all("because of d: it did not stand still" in str(outcome) for outcome in outcomes)
        for machine in machines:
            assert await status(machine) == "running"
            assert not (machine.state / "paused").exists()


async def test_nothing_written_in_an_idle_group_is_lost(machines: list[Machine]) -> None:
    """Frozen again and again: a view is made even where nothing changed, since a write may come just before the standstill."""
    async with sources(machines) as found:
        base: list[str | None] = [None] * 3
        for round_ in range(3):
            points = [secrets.token_hex(16) for _ in machines]
            assembly = Assembly("abc", LIMIT)
            freezes = (
                source.freeze(point, before, Wish(gate=assembly.gate(name)))
                for source, point, before, name in zip(found, points, base, "abc", strict=True)
            )
            snapshots = await asyncio.gather(*freezes)
            for machine, snapshot in zip(machines, snapshots, strict=True):
                assert np.array_equal(await whole(snapshot.disks[0]), padded((await machine.contents())["vda"]))
            for source in found:
                await source.release(True)
            base = list(points)
            if round_:
                await machines[0].write("vda", 4096 * round_, 4096, round_)
