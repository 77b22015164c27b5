"""One machine with files for disks, replicated into a file vault that can be made to fail; and its points read back through the vault."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults import Fault, FaultyStore
from understudy import extents as ext
from understudy.model import BLOCK_SIZE
from understudy.replication.cycle import Replicator
from understudy.replication.initial import SLICE_BLOCKS
from understudy.source.block import BlockSource
from understudy.source.protocol import DiskSource
from understudy.store.file import FileStore
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.patience import Patience
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reader import PointReader
from understudy.vault.maps.reading import history_of
from understudy.vault.maps.resolve import resolve
from understudy.vault.vault import Vault

UNLOCK = KeyFile(bytes(range(32)))
QUICK = Patience(attempts=3, first=0.001)
MACHINE = "machine"


@dataclass
class World:
    """`root` holds the vault, the site's state and the disks."""

    root: Path
    schedule: list[Fault] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / "state"

    def disk(self, name: str) -> Path:
        return self.root / f"{name}.img"

    async def create(self) -> None:
        vault = await Vault.create(FileStore(self.root / "vault", make=True), UNLOCK, state=self.state, patience=QUICK)
        await vault.protect(MACHINE, "here")
        await vault.close()

    @asynccontextmanager
    async def vault(self) -> AsyncIterator[tuple[Vault, MachineLog]]:
        store = FaultyStore(FileStore(self.root / "vault"), self.schedule)
        vault = await Vault.open(store, UNLOCK, self.state, patience=QUICK)
        try:
            yield vault, await vault.find(MACHINE)
        finally:
            await vault.close()

    @asynccontextmanager
    async def replicator(
        self, source: DiskSource | None = None, disks: Mapping[str, Path] | None = None, slice_blocks: int = SLICE_BLOCKS
    ) -> AsyncIterator[Replicator]:
        async with self.vault() as (vault, log):
            source = source or BlockSource({name: str(path) for name, path in (disks or {"vda": self.disk("vda")}).items()})
            replicator = Replicator(vault, log, source, self.directory(vault, log), "here", slice_blocks)
            try:
                yield replicator
            finally:
                await replicator.close()

    def directory(self, vault: Vault, log: MachineLog) -> Path:
        """The machine's own, on this host."""
        return self.state / "vaults" / vault.id / "machines" / log.machine_id

    async def contents(self, newest: int = 0) -> dict[str, dict[str, bytes]]:
        """Every point's disks, by point id and disk name, with their digests proven on the way; of so many points if given."""
        async with self.vault() as (vault, log):
            return {entry.point.id.hex(): await read_point(vault, log, entry) for entry in log.state.points[-newest:]}


async def read_point(vault: Vault, log: MachineLog, entry: PointEntry) -> dict[str, bytes]:
    from understudy.native import blockhash

    history = history_of(vault, log)
    reader = PointReader(history, await resolve(history, entry.point.id))
    found: dict[str, bytes] = {}
    for disk in reader.disks:
        blocks = -(-disk.disk.size // BLOCK_SIZE)
        data = np.zeros(blocks * BLOCK_SIZE, dtype=np.uint8)
        if blocks:
            await disk.read_into(np.array([[0, blocks]], dtype=np.int64), data)
        signatures = np.empty((blocks, 16), dtype=np.uint8)
        blockhash.sign(data, vault.access.secrets.signature, signatures)
        digest = blockhash.digest(ext.whole(blocks), signatures, vault.access.secrets.digest)
        assert digest == int.from_bytes(disk.disk.digest, "big")
        assert not data[disk.disk.size :].any()
        found[disk.disk.name] = data[: disk.disk.size].tobytes()
    return found


def scribble(path: Path, rng: np.random.Generator, writes: int = 20) -> None:
    """Random writes, zeroes, repeats of what is there and moves, of random length, anywhere in the file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(writes):
            start, length = int(rng.integers(0, size)), int(rng.integers(1, 40_000))
            length = min(length, size - start)
            file.seek(start)
            kind = rng.integers(0, 4)
            if kind == 0:
                data = bytes(length)
            elif kind == 1:
                data = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
            elif kind == 2:
                data = (b"compressible " * (length // 13 + 1))[:length]
            else:
                file.seek(int(rng.integers(0, size)))
                data = file.read(length)
                file.seek(start)
            file.write(data)
