"""Sites, a vault, and copies of it that become the vault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import FaultyStore
from tests.local.ruins import Ruins
from understudy import engine
from understudy.app import parts
from understudy.engine import VaultPlace, promotion
from understudy.local.engine import LocalEngine
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectStore
from understudy.store.url import directory_here
from understudy.vault.vault import Vault


class Sites(Ruins):
    """`place`: what sites name as the vault now. `faults`: around every store that is opened, one after the other counted as one."""

    place: str = "vault"
    faults: FaultyStore | None = None

    async def promoted(self, place: str, state: str = "state") -> promotion.Promoted:
        async with self.engine(state=state) as operator:
            return await operator.promote_second(promotion.PromoteSecond(url=self.url(place)))

    @property
    def vault(self) -> Path:
        return self.root / self.place

    def url(self, place: str) -> str:
        return (self.root / place).as_uri()

    def store(self, url: str) -> ObjectStore:
        directory = directory_here(url)
        assert directory is not None
        if self.faults is None:
            return FileStore(directory)
        store = FaultyStore(FileStore(directory), self.faults.schedule, self.faults.calls)
        store._seen = self.faults._seen
        return store

    def made(self, url: str) -> ObjectStore:
        return FileStore(directory_here(url) or self.root, make=True)

    @asynccontextmanager
    async def engine(self, key: str = "operator", state: str = "state") -> AsyncIterator[LocalEngine]:
        connection = engine.Connection(
            vault=self.vault.as_uri(),
            state_dir=str(self.root / state),
            site=state,
            credential=engine.KeyFile(path=str(self.key(key))),
        )
        local = LocalEngine(connection, parts(self.root / state)._replace(open_store=self.store))
        try:
            yield local
        finally:
            await local.close()

    async def copied(self, place: str) -> None:
        async with self.engine() as operator:
            await operator.create_second(engine.CreateSecond(url=self.url(place)))
            await operator.bring_second(engine.BringSecond(url=self.url(place)), lambda _: None)

    async def what(self, place: str) -> VaultPlace:
        """As the operator's site has it that names this place."""
        kept, self.place = self.place, place
        async with self.engine() as opened:
            found = (await opened.vault()).place
        self.place = kept
        return found

    async def restorable(self, state: str) -> set[str]:
        ((machine, points),) = self.held.items()
        async with self.engine(state=state) as opened:
            return {point for point in points if await self.restored(opened, machine, point)}

    async def opened(self, place: str, state: str | None = None) -> Vault:
        return await Vault.open(FileStore(self.root / place), self.unlock("operator"), self.root / state if state else None)

    async def salvaged(self, place: str) -> Vault:
        return await Vault.open(FileStore(self.root / place), self.unlock("operator"), None, salvage=True)
