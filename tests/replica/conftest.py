"""A machine in a vault, and replicas of it: the kit's kernel with an init of our own on exports of its points."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.hypervisor.stage import Stage, make_kernel
from tests.live.conftest import kit as kit
from understudy import app, engine, serving
from understudy.demo.kit import Kit
from understudy.demo.machine import KERNEL_LINE
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.machine.definition import Disk, Kernel, MachineDefinition
from understudy.replica.replicas import Replicas
from understudy.replica.values import StartReplica

MIB = 1 << 20


def unseen(_: engine.Progress) -> None:
    """Nobody watches."""


@dataclass
class House:
    """A site, its vault, and one machine of two disks whose newest point is `cycle`."""

    root: Path
    kit: Kit
    engine: engine.Engine
    connection: engine.Connection
    replicas: Replicas
    stage: Stage
    machine: str = ""
    images: dict[str, Path] = field(default_factory=dict)
    cycle: engine.Cycle | None = None

    async def protect(self, **sizes: int) -> None:
        self.images = {name: self.root / f"{name}.raw" for name in sizes}
        for name, size in sizes.items():
            with self.images[name].open("wb") as file:
                file.write(name.encode().ljust(4096, b".") * 2)
                file.truncate(size)
        source = engine.BlockSource(disks={name: str(path) for name, path in self.images.items()})
        self.machine = (await self.engine.protect(engine.Protect(name="web", source=source))).machine.id
        self.cycle = await self.replicate()

    async def replicate(self) -> engine.Cycle:
        async with self.engine.replicate("web") as replication:
            return await replication.cycle(unseen)

    def order(self, script: str, run: str = "web-1", **more: object) -> StartReplica:
        kernel = Kernel(image=str(self.kit.kernel), initrd=str(make_kernel(self.kit, self.root, script)), command_line=KERNEL_LINE)
        definition = MachineDefinition(
            name="web",
            uuid="00112233-4455-6677-8899-aabbccddeeff",
            memory=192 * MIB,
            kernel=kernel,
            disks=tuple(Disk(name=name) for name in self.images),
        )
        assert self.cycle is not None
        order = StartReplica(run=run, machine=self.machine, point=self.cycle.point, definition=definition, accelerator="tcg")
        return msgspec.structs.replace(order, **more)

    async def held(self) -> int:
        return len(await self.engine.holds("web"))


@pytest.fixture
def root() -> Iterator[Path]:
    """Under a short path: a socket's may have 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def house(kit: Kit, root: Path) -> AsyncIterator[House]:
    key = root / "key"
    connection = engine.Connection(
        vault=(root / "vault").as_uri(), state_dir=str(root / "s"), site="here", credential=engine.KeyFile(path=str(key))
    )
    files_from = [root, kit.kernel.parent]
    async with app.open_engine(connection) as opened:
        await opened.create_vault(engine.CreateVault(label="ops"))
        replicas = serving.open_replicas(connection, files_from)
        stage = Stage(QemuHypervisor(root / "s" / "vms", lambda: files_from), root)
        yield House(root, kit, opened, connection, replicas, stage)
        for run in (await replicas.find()).known:
            await replicas.remove(run)
