"""A machine that is followed without a break by one process, and the truth to hold its points against."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.source.machine import Machine
from understudy.app import open_engine
from understudy.engine import (
    Connection,
    CreateVault,
    Cycle,
    Engine,
    KeyFile,
    Progress,
    Protect,
    QemuSource,
    Replication,
    Restore,
    Unprotect,
)
from understudy.errors import SourceUnavailable

NAME, HERE = "web", "here"


def unseen(_: Progress) -> None:
    """Nobody watches."""


@dataclass
class Followed:
    """`points`: what the disks held at each point that was made, byte for byte; asyncio.Runner writes out what a fixture gives, twice."""

    machine: Machine
    engine: Engine
    directory: Path
    points: dict[str, dict[str, bytes]] = field(default_factory=dict, repr=False)
    _process: AsyncExitStack | None = None
    _replication: Replication | None = None

    async def protect(self, *, adopt: bool = False, **source: object) -> None:
        await self.engine.protect(Protect(name=NAME, source=QemuSource(qmp=self.machine.qmp, **source), adopt=adopt))

    async def unprotect(self) -> None:
        await self.engine.unprotect(Unprotect(name=NAME))

    @asynccontextmanager
    async def elsewhere(self) -> AsyncIterator["Followed"]:
        """Who follows the same machine from another state directory; its points are counted here, too."""
        async with opened(self.machine, self.directory, "there") as other:
            other.points = self.points
            yield other

    async def begin(self) -> None:
        """What `understudy replicate web --every` does from its start on."""
        self._process = AsyncExitStack()
        self._replication = await self._process.enter_async_context(self.engine.replicate(NAME))

    async def end(self) -> None:
        if self._process is not None:
            await self._process.aclose()
        self._process = self._replication = None

    async def blind(self) -> Cycle:
        """A point of which it is not said what it must hold."""
        if self._replication is None:
            await self.begin()
        assert self._replication is not None
        return await self._replication.cycle(unseen)

    async def cycle(self) -> Cycle:
        """A point, of a machine that nobody writes to meanwhile."""
        contents = {name: content.tobytes() for name, content in (await self.machine.contents()).items()}
        try:
            cycle = await self.blind()
        except SourceUnavailable:
            # A disk that had to be read, and of which nothing had been written.
            cycle = await self.blind()
        names = {disk.name for disk in (await self.engine.points(NAME)).points[-1].disks}
        self.points[cycle.point] = {name: content for name, content in contents.items() if name in names}
        return cycle

    async def restored(self, point: str) -> Mapping[str, bytes]:
        with tempfile.TemporaryDirectory(dir=self.directory) as directory:
            targets = {name: f"{directory}/{name}" for name in self.points[point]}
            await self.engine.restore(Restore(machine=NAME, point=point, format="raw", targets=targets), unseen)
            return await asyncio.to_thread(lambda: {name: Path(target).read_bytes() for name, target in targets.items()})

    async def prove(self) -> None:
        """Every point ever made is what the disks were."""
        for point in self.points:
            await self.prove_one(point)

    async def prove_one(self, point: str) -> None:
        found = await self.restored(point)
        wrong = [name for name, content in self.points[point].items() if found[name] != content]
        assert not wrong, f"{wrong} of point {point}"


@asynccontextmanager
async def opened(machine: Machine, directory: Path, site: str) -> AsyncIterator[Followed]:
    """`site`: its name, and that of its state directory beside the machine's, unless it is the usual one."""
    state = machine.state if site == HERE else machine.directory / site
    connection = Connection(
        vault=(directory / "vault").as_uri(), state_dir=str(state), site=site, credential=KeyFile(path=str(directory / "key"))
    )
    async with open_engine(connection) as engine:
        followed = Followed(machine, engine, directory)
        try:
            yield followed
        finally:
            await followed.end()


@asynccontextmanager
async def following(machine: Machine, directory: Path) -> AsyncIterator[Followed]:
    async with opened(machine, directory, HERE) as followed:
        await followed.engine.create_vault(CreateVault(label="ops"))
        await followed.protect()
        yield followed
