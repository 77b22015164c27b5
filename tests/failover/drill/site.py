"""A site with a vault, one machine of it, and test failovers of its points: in a test, or in a process that is killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.hypervisor.stage import WAITS, Stage, make_kernel
from understudy import app, engine, serving
from understudy.daemon.served import ServedEngine
from understudy.demo.kit import Kit
from understudy.demo.machine import KERNEL_LINE
from understudy.errors import NotFound
from understudy.failover.drill.choosing import chosen
from understudy.failover.drill.files import DrillFiles
from understudy.failover.drill.operation import Drills, Tools
from understudy.failover.networks.mapping import NetworkMapping
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.machine.definition import Disk, Kernel, MachineDefinition, Nic
from understudy.machine.reading import to_toml
from understudy.replica.replicas import Replicas
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

MIB = 1 << 20
READS = """
echo "@had $(dd if=/dev/vda bs=1 count=8 2>/dev/null)"
echo "scribble" | dd of=/dev/vda conv=fsync,notrunc 2>/dev/null
echo "@uuid $(cat /sys/class/dmi/id/product_uuid)"
echo "@up"
"""


def unseen(_: engine.Progress) -> None:
    """Nobody watches."""


class Alone:
    """No daemon follows the machines, nor keeps standbys of them."""

    def known(self, machine: str) -> str:
        return ""


@dataclass
class Ground:
    served: ServedEngine
    mapped: NetworkMapping = field(default_factory=NetworkMapping)
    own: tuple[engine.Check, ...] | None = None
    standby: str | None = None
    name: str = "there"

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        return await self.served.log_to_append(machine)

    async def mapping(self, vault: Vault, log: MachineLog, entry: PointEntry) -> NetworkMapping:
        return self.mapped

    async def checks(self, vault: Vault, log: MachineLog) -> tuple[engine.Check, ...] | None:
        return self.own

    async def tell(self, machine: str) -> None:
        """Nobody listens."""

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        if self.standby is None:
            raise NotFound("there is no standby image")
        return chosen(log.state, self.standby)


@dataclass
class Site:
    root: Path
    engine: ServedEngine
    ground: Ground
    replicas: Replicas
    hypervisor: QemuHypervisor

    @property
    def stage(self) -> Stage:
        return Stage(self.hypervisor, self.root)

    @property
    def files(self) -> DrillFiles:
        return DrillFiles(self.root / "s" / "drills")

    def drills(self) -> Drills:
        """As a daemon that has just begun."""
        return Drills(self.files, self.ground, Tools(self.replicas, self.hypervisor, "tcg"))

    async def protect(self, kit: Kit, script: str = READS, **more: object) -> None:
        """Machine `web` of one disk; a guest that is started from it runs `script`."""
        image = self.root / "vda.raw"
        with image.open("wb") as file:
            file.truncate(4 * MIB)
        await self.engine.protect_alone(engine.Protect(name="web", source=engine.BlockSource(disks={"vda": str(image)})))
        kernel = Kernel(image=str(kit.kernel), initrd=str(make_kernel(kit, self.root, script + WAITS)), command_line=KERNEL_LINE)
        fields: dict[str, object] = {
            "name": "web",
            "uuid": "00112233-4455-6677-8899-aabbccddeeff",
            "memory": 192 * MIB,
            "kernel": kernel,
            "disks": (Disk(name="vda"),),
            "nics": (Nic(name="nic0", mac="52:54:00:57:a4:04", network="br0"),),
        }
        definition = MachineDefinition(**(fields | more))  # type: ignore[arg-type]
        await self.engine.set_definition(engine.SetDefinition(machine="web", text=to_toml(definition)))

    async def point(self, text: bytes) -> engine.Cycle:
        """A new one, of a disk that begins with this."""
        with (self.root / "vda.raw").open("r+b") as file:
            file.write(text)
        async with self.engine.replicate_alone("web") as replication:
            return await replication.cycle(unseen)

    async def nothing_is_left(self) -> None:
        assert await self.hypervisor.find() == {}
        assert (await self.replicas.find()).known == {}
        assert app.exports(str(self.root / "s")) == ()
        assert await self.engine.holds("web") == ()
        for room in ("replicas", "vms", "exports"):
            assert not [path for path in (self.root / "s" / room).glob("*") if path.is_dir()], room


class LoneEngine(ServedEngine):
    """Machines are protected and replicated with nobody to tell."""

    async def protect_alone(self, request: engine.Protect) -> engine.Protected:
        return await super(ServedEngine, self).protect(request)

    def replicate_alone(self, machine: str) -> contextlib.AbstractAsyncContextManager[engine.Replication]:
        return super(ServedEngine, self).replicate(machine)


@contextlib.asynccontextmanager
async def opened(root: Path, kernels: Path) -> AsyncIterator[Site]:
    connection = engine.Connection(
        vault=(root / "vault").as_uri(), state_dir=str(root / "s"), site="there", credential=engine.KeyFile(path=str(root / "key"))
    )
    served = LoneEngine(connection, app.parts(Path(connection.state_dir)))
    served.scheduled = Alone()  # type: ignore[assignment]
    served.standing = Alone()  # type: ignore[assignment]
    if not (root / "vault").exists():
        await served.create_vault(engine.CreateVault(label="ops"))
    files_from = [root, kernels]
    try:
        yield Site(
            root,
            served,
            Ground(served),
            serving.open_replicas(connection, files_from),
            QemuHypervisor(root / "s" / "vms", lambda: files_from),
        )
    finally:
        await served.close()


class Order(msgspec.Struct):
    """What a process does, and at which phase it is killed."""

    root: str
    kernels: str
    id: str
    phase: str
    start: engine.StartDrill | None = None
    clean_up: engine.CleanUpDrill | None = None


def killed(order: Order) -> None:
    asyncio.run(_killed(order))


async def _killed(order: Order) -> None:
    def heard(now: engine.Progress) -> None:
        if now.phase.startswith(order.phase):
            os.kill(os.getpid(), signal.SIGKILL)

    async with opened(Path(order.root), Path(order.kernels)) as site:
        if order.start is not None:
            await site.drills().start(order.start, order.id, heard)
        if order.clean_up is not None:
            await site.drills().clean_up(order.clean_up, heard)
    raise AssertionError(f"it came to its end without {order.phase!r}")
