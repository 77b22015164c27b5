"""A cycle of a VM in which nothing changed, against the size of its disk: what it takes beyond what QEMU takes for its part."""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.replication.world import World
from tests.source.machine import Machine, blockdev
from understudy.qemu.session import QmpSession

CYCLES = 50


class Clock:
    """Seconds in which at least one command to QEMU was under way."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.spent = self._since = 0.0
        self._open = 0
        self._real = QmpSession.execute
        clock = self

        async def execute(session: QmpSession, *arguments: Any) -> Any:
            return await clock._timed(session, *arguments)

        patch.setattr(QmpSession, "execute", execute)

    async def _timed(self, session: QmpSession, *arguments: Any) -> Any:
        if not self._open:
            self._since = time.perf_counter()
        self._open += 1
        try:
            return await self._real(session, *arguments)
        finally:
            self._open -= 1
            if not self._open:
                self.spent += time.perf_counter() - self._since


@pytest.mark.benchmark(group="idle cycle")
@pytest.mark.parametrize("form", ["raw", "qcow2"])
@pytest.mark.parametrize("size", [1 << 30, 1 << 40, 8 << 40], ids=["1 GiB", "1 TiB", "8 TiB"])
def test_idle_cycle(benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, size: int) -> None:
    world, clock = World(tmp_path), Clock(monkeypatch)
    syncs, beyond, cpu = 0, [], []

    def sync(real: Any) -> Any:
        def call(descriptor: int) -> None:
            nonlocal syncs
            syncs += 1
            real(descriptor)

        return call

    async def started(machine: Machine) -> None:
        await machine.start()
        await machine.write("vda", size - 65536, 65536, 1)
        await world.create()

    with tempfile.TemporaryDirectory(prefix="us-") as name, asyncio.Runner() as runner:
        machine = Machine(Path(name), [blockdev(Path(name), "vda", form, size)])
        machine.state.mkdir()
        runner.run(started(machine))
        opened = world.replicator(machine.source())
        replicator = runner.run(opened.__aenter__())
        runner.run(replicator.open())
        for _ in range(2):
            runner.run(replicator.cycle())
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, sync(getattr(os, name)))

        def cycle() -> None:
            clock.spent = 0.0
            began, busy = time.perf_counter(), time.process_time()
            assert runner.run(replicator.cycle()).stats.scanned == 0
            beyond.append(time.perf_counter() - began - clock.spent)
            cpu.append(time.process_time() - busy)

        benchmark.pedantic(cycle, rounds=CYCLES)
        runner.run(opened.__aexit__(None, None, None))
        runner.run(machine.kill())
    resident = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    benchmark.extra_info["idle"] = {
        "disk": f"{size >> 30} GiB" if size < 1 << 40 else f"{size >> 40} TiB",
        "form": form,
        "beyond": statistics.median(beyond),
        "most": max(beyond),
        "cpu": statistics.median(cpu),
        "syncs": syncs / CYCLES,
        "resident": resident << 10,
    }
