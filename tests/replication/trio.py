"""Machines with files for disks that are replicated as one group into a file vault that can be made to fail."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import Fault, FaultyStore
from tests.replication.world import QUICK, UNLOCK, read_point
from understudy.replication.cycle import Replicator
from understudy.replication.group import GroupReplicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.vault.groups import Instant, instants
from understudy.vault.vault import Vault

NAMES = ("app", "db", "web")
GROUP = "shop"


@dataclass
class Trio:
    """`root` holds the vault, the site's state and each machine's one disk."""

    root: Path
    schedule: list[Fault] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.root / "state"

    def disk(self, name: str) -> Path:
        return self.root / f"{name}.img"

    def write(self, text: str) -> dict[str, bytes]:
        """Each disk tells its machine and `text`."""
        for name in NAMES:
            self.disk(name).write_bytes(f"{name} {text} ".encode() * 3000)
        return {name: self.disk(name).read_bytes() for name in NAMES}

    async def create(self) -> None:
        vault = await Vault.create(FileStore(self.root / "vault", make=True), UNLOCK, state=self.state, patience=QUICK)
        for name in NAMES:
            self.ids[name] = (await vault.protect(name, "here")).machine_id
        await vault.close()

    @asynccontextmanager
    async def vault(self) -> AsyncIterator[Vault]:
        vault = await Vault.open(FaultyStore(FileStore(self.root / "vault"), self.schedule), UNLOCK, self.state, patience=QUICK)
        try:
            yield vault
        finally:
            await vault.close()

    @asynccontextmanager
    async def group(self) -> AsyncIterator[GroupReplicator]:
        async with self.vault() as vault, AsyncExitStack() as opened:
            members = {}
            for name in NAMES:
                log = await vault.find(name)
                directory = self.state / "vaults" / vault.id / "machines" / log.machine_id
                members[name] = Replicator(vault, log, BlockSource({"vda": str(self.disk(name))}), directory, "here")
                opened.push_async_callback(members[name].close)
                await members[name].open()
            yield GroupReplicator(GROUP, members)

    async def instants(self) -> tuple[Instant, ...]:
        async with self.vault() as vault:
            return instants(await vault.machines())

    async def contents(self, instant: Instant) -> dict[str, bytes]:
        """Each member's disk in this instant, read back through the vault."""
        async with self.vault() as vault:
            found = {}
            for machine, entry in instant.points.items():
                log = await vault.find(machine)
                found[log.state.name] = (await read_point(vault, log, entry))["vda"]
            return found
