"""How long it takes until a machine's kernel runs from a point, beside the hypervisor alone with a local image, in turn."""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from understudy import app, engine, serving
from understudy.demo.kit import build_kit
from understudy.hypervisor.protocol import Host, RawImage
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.machine.definition import Disk, Kernel, MachineDefinition
from understudy.replica.values import StartReplica

ROUNDS = 3
SPEAKS = b"Linux version"
MIB = 1 << 20


async def spoken(hypervisor: QemuHypervisor, run: str) -> None:
    """Until the guest's kernel has said which one it is."""
    end = time.perf_counter() + 60
    while SPEAKS not in await hypervisor.console(run):
        assert time.perf_counter() < end, await hypervisor.console(run)
        await asyncio.sleep(0.01)


def unseen(_: engine.Progress) -> None:
    """Nobody watches."""


@asynccontextmanager
async def protected(root: Path, size: int) -> AsyncIterator[tuple[engine.Connection, str, str]]:
    """The id of a machine whose disk holds 64 MiB, and its point."""
    with (root / "vda.raw").open("wb") as file:
        file.write(os.urandom(64 * MIB))
        file.truncate(size)
    connection = engine.Connection(
        vault=(root / "vault").as_uri(), state_dir=str(root / "s"), site="here", credential=engine.KeyFile(path=str(root / "key"))
    )
    async with app.open_engine(connection) as opened:
        await opened.create_vault(engine.CreateVault(label="ops"))
        source = engine.BlockSource(disks={"vda": str(root / "vda.raw")})
        machine = (await opened.protect(engine.Protect(name="web", source=source))).machine.id
        async with opened.replicate("web") as replication:
            cycle = await replication.cycle(unseen)
        yield connection, machine, cycle.point


@pytest.mark.benchmark(group="start from a point")
@pytest.mark.parametrize("size", [1 << 30, 1 << 40, 8 << 40], ids=["1 GiB", "1 TiB", "8 TiB"])
def test_start(benchmark: BenchmarkFixture, size: int) -> None:
    root, kit = Path(tempfile.mkdtemp(prefix="us-")), build_kit()
    kernel = Kernel(image=str(kit.kernel), initrd=str(kit.initramfs), command_line="console=ttyS0 panic=-1")
    definition = MachineDefinition(
        name="web", uuid="00112233-4455-6677-8899-aabbccddeeff", memory=192 * MIB, kernel=kernel, disks=(Disk(name="vda"),)
    )
    alone: list[float] = []
    drained: list[float] = []

    async def measured() -> list[float]:
        took = []
        async with protected(root, size) as (connection, machine, point):
            files_from = [kit.kernel.parent, kit.initramfs.parent]
            replicas, bare = serving.open_replicas(connection, files_from), QemuHypervisor(root / "bare", lambda: files_from)
            ours = QemuHypervisor(root / "s" / "vms", lambda: files_from)
            for number in range(ROUNDS):
                began = time.perf_counter()
                await bare.start("bare", definition, Host({"vda": RawImage(root / "vda.raw")}, accelerator="tcg"))
                await spoken(bare, "bare")
                alone.append(time.perf_counter() - began)
                await bare.destroy("bare")
                await bare.forget("bare")
                run = f"web-{number}"
                order = StartReplica(run=run, machine=machine, point=point, definition=definition, accelerator="tcg")
                began = time.perf_counter()
                await replicas.start(order, unseen)
                await spoken(ours, run)
                took.append(time.perf_counter() - began)
                began = time.perf_counter()
                await replicas.drain(run, unseen)
                drained.append(time.perf_counter() - began)
                await replicas.remove(run)
        return took

    try:
        took = benchmark.pedantic(lambda: asyncio.run(measured()), rounds=1)
    finally:
        shutil.rmtree(root)
    benchmark.extra_info["start"] = {
        "disk": f"{size >> 30} GiB" if size < 1 << 40 else f"{size >> 40} TiB",
        "took": statistics.median(took),
        "alone": statistics.median(alone),
        "drained": statistics.median(drained),
    }
