"""A machine of two disk files, replicated into a real vault, and what its disks held at each point."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from understudy.recovery.content import read_point
from understudy.recovery.disk_work import MachineContent
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.history import History
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

BLOCK = 4096


@dataclass
class World:
    """`held`: point id to disk name to bytes."""

    directory: Path
    vault: Vault
    log: MachineLog
    replicator: Replicator
    disks: dict[str, Path]
    random: np.random.Generator
    held: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def points(self) -> list[str]:
        return list(self.held)

    @property
    def history(self) -> History:
        return history_of(self.vault, self.log)

    async def content(self, point: str) -> MachineContent:
        return await read_point(self.history, point)

    async def cycle(self) -> str:
        report = await self.replicator.cycle()
        self.held[report.point] = {name: path.read_bytes() for name, path in self.disks.items()}
        return report.point

    def scribble(self, runs: int, blocks: int = 8) -> None:
        """Rewrite some runs of every disk, a third of them to zeros."""
        for path in self.disks.values():
            with path.open("r+b") as file:
                size = path.stat().st_size
                for _ in range(runs):
                    start = int(self.random.integers(0, size // BLOCK)) * BLOCK
                    length = min(int(self.random.integers(1, blocks + 1)) * BLOCK, size - start)
                    file.seek(start)
                    file.write(bytes(length) if self.random.random() < 0.3 else self.random.bytes(length))

    def objects(self, kind: str = "packs") -> list[Path]:
        return sorted((self.directory / "vault").glob(f"machines/*/{kind}/*"))

    def checkpoint(self, id_: bytes) -> Path:
        return next(path for path in self.objects("maps") if path.name == id_.hex())

    async def close(self) -> None:
        await self.replicator.close()
        await self.vault.close()


async def make_world(directory: Path, sizes: dict[str, int], *, seed: int = 0) -> World:
    """Disks of random runs between holes; no point yet."""
    random = np.random.default_rng(seed)
    disks = {name: directory / f"{name}.source" for name in sizes}
    for name, path in disks.items():
        with path.open("wb") as file:
            file.truncate(sizes[name])
            for start in range(0, sizes[name], 256 * BLOCK):
                file.seek(start)
                file.write(random.bytes(min(64 * BLOCK, sizes[name] - start)))
    vault = await Vault.create(FileStore(directory / "vault", make=True), KeyFile(bytes(range(32))), state=directory / "state")
    log = await vault.protect("machine", "here")
    local = directory / "local"
    await asyncio.to_thread(local.mkdir)
    replicator = Replicator(vault, log, BlockSource({name: str(path) for name, path in disks.items()}), local, "here")
    await replicator.open()
    return World(directory, vault, log, replicator, disks, random)


@contextmanager
def bent(path: Path, how: str, random: np.random.Generator, other: Path) -> Iterator[None]:
    """An object of a vault damaged for a while. `other`: what is put in its place by "swap"."""
    whole = path.read_bytes()
    # The store keeps its objects read-only.
    path.chmod(0o600)
    if how == "bit":
        at = int(random.integers(0, len(whole)))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(random.integers(0, 8))]) + whole[at + 1 :])
    elif how == "truncation":
        path.write_bytes(whole[: int(random.integers(0, len(whole)))])
    elif how == "deletion":
        path.unlink()
    elif how == "growth":
        path.write_bytes(whole + b"more")
    else:
        path.write_bytes(other.read_bytes())
    try:
        yield
    finally:
        path.write_bytes(whole)
