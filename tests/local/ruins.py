"""A vault with something of everything in it, and each of its objects spoiled, one at a time, as an operator would meet it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from understudy import engine
from understudy.app import open_engine
from understudy.errors import UnderstudyError
from understudy.local.engine import LocalEngine
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.trimming import TAIL, Tail
from understudy.vault.keys.unlock import KeyFile, Unlock
from understudy.vault.vault import Vault

HOWS = ("bit", "truncation", "deletion", "swap")


@dataclass
class Ruins:
    """`held`: machine id to point id to disk name to bytes. `unneeded`: objects that are condemned."""

    root: Path
    random: np.random.Generator
    held: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    unneeded: set[str] = field(default_factory=set)

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    def key(self, name: str) -> Path:
        return self.root / f"{name}.key"

    @asynccontextmanager
    async def engine(self, key: str = "operator", state: str = "state") -> AsyncIterator[LocalEngine]:
        connection = engine.Connection(
            vault=self.vault.as_uri(),
            state_dir=str(self.root / state),
            site="here",
            credential=engine.KeyFile(path=str(self.key(key))),
        )
        async with open_engine(connection) as opened:
            assert isinstance(opened, LocalEngine)
            yield opened

    def disks(self, machine: str) -> dict[str, str]:
        return {name: str(self.root / f"{machine}-{name}.img") for name in ("vda", "vdb")}

    async def create(self) -> None:
        async with self.engine() as operator:
            await operator.create_vault(engine.CreateVault(label="ops"))
            await operator.add_key(engine.AddKey(role="operator", label="safe", credential=engine.KeyFile(path=str(self.key("safe")))))
            await operator.add_key(engine.AddKey(role="source", label="host-a", credential=engine.KeyFile(path=str(self.key("source")))))

    async def protect(self, machine: str, size: int) -> None:
        for name, path in self.disks(machine).items():
            whole = self.random.bytes(size) if name == "vda" else bytes(size // 2) + b"text" * 1000
            await asyncio.to_thread(Path(path).write_bytes, whole)
        async with self.engine("source", "source-state") as source:
            await source.protect(engine.Protect(name=machine, source=engine.BlockSource(disks=self.disks(machine))))

    def content(self, disks: dict[str, str]) -> dict[str, bytes]:
        """What these images hold, those that there are."""
        return {name: Path(path).read_bytes() for name, path in disks.items() if Path(path).exists()}

    async def cycles(self, machine: str, count: int, writes: int) -> None:
        async with self.engine("source", "source-state") as source, source.replicate(machine) as replication:
            machine_id = (await source.points(machine)).machine.id
            for _ in range(count):
                done = await replication.cycle(lambda _: None)
                self.held.setdefault(machine_id, {})[done.point] = self.content(self.disks(machine))
                for path in self.disks(machine).values():
                    self.scribble(Path(path), writes)

    async def age(self, machine: str) -> None:
        """Two points are dropped; what only they needed is deleted, and the records up to then are trimmed; then one more, whose
        objects only wait."""
        for grace in (0, 3600):
            vault = await Vault.open(FileStore(self.vault), self.unlock("operator"), self.root / "state")
            log = await vault.find(machine)
            going = log.state.points[: 2 if not grace else 1]
            await log.append(kinds.Prune(points=tuple(entry.point.id for entry in going)))
            done = await Collector(vault, log, self.root, grace, tail=Tail(1, 1) if not grace else TAIL).run()
            assert grace or done.swept[0]
            self.unneeded |= {f"machines/{log.machine_id}/{name}" for condemned in log.state.condemned for name in condemned.names}
            for entry in going:
                del self.held[log.machine_id][entry.point.id.hex()]
            await vault.close()
            await self.cycles(machine, 1, 20)

    def unlock(self, key: str) -> Unlock:
        return KeyFile.parse(self.key(key).read_text())

    def scribble(self, path: Path, writes: int) -> None:
        data = bytearray(path.read_bytes())
        for _ in range(writes):
            at = int(self.random.integers(0, len(data)))
            run = self.random.bytes(int(self.random.integers(1, 9000))) if self.random.random() < 0.7 else bytes(6000)
            data[at : at + len(run)] = run[: len(data) - at]
        path.write_bytes(data)

    def objects(self) -> list[str]:
        """Everything that the store lists."""
        return sorted(str(path.relative_to(self.vault)) for path in self.vault.rglob("*") if path.is_file())

    @contextmanager
    def spoiled(self, name: str, how: str) -> Iterator[None]:
        path = self.vault / name
        whole = path.read_bytes()
        path.chmod(0o600)
        if how == "deletion":
            path.unlink()
        elif how == "swap":
            kin = [other for other in self.objects() if other != name and other.rpartition("/")[0] == name.rpartition("/")[0]]
            others = kin or [other for other in self.objects() if other != name]
            path.write_bytes((self.vault / others[int(self.random.integers(0, len(others)))]).read_bytes())
        elif how == "truncation":
            path.write_bytes(whole[: int(self.random.integers(0, len(whole)))])
        else:
            at = int(self.random.integers(0, len(whole)))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(self.random.integers(0, 8))]) + whole[at + 1 :])
        try:
            yield
        finally:
            path.write_bytes(whole)

    async def restored(self, opened: LocalEngine, machine: str, point: str) -> bool:
        """Whether the point comes back; if it does, with its bytes, and if it does not, with nothing under its name."""
        target = self.root / "restored"
        wanted = self.held[machine][point]
        targets = {name: str(target / name) for name in wanted}
        try:
            await opened.restore(engine.Restore(machine=machine, point=point, format="raw", targets=targets), lambda _: None)
        except UnderstudyError:
            assert self.content(targets) == {}
            return False
        else:
            assert self.content(targets) == wanted
            return True
        finally:
            shutil.rmtree(target, ignore_errors=True)


@dataclass
class Finding:
    """What verification says of one spoiled object. `touched`: points that it names, or that are not even listed any more."""

    named: bool
    touched: set[str]


async def examine(ruins: Ruins, name: str, machine: str, **opened_by: str) -> Finding:
    """As `understudy verify` without a key, then with it for every point of a machine."""
    held = set(ruins.held[machine])
    async with ruins.engine(**opened_by) as opened:
        said = " ".join(f"{damage.name} {damage.reason}" for damage in (await scrubbed(opened)).damage)
        try:
            listing = await opened.points(machine)
            points = tuple(point.id for point in listing.points)
            found = await opened.verify(engine.Verify(machine=machine, points=points, level="digest"), lambda _: None)
        except UnderstudyError as error:
            return Finding(mentioned(name, f"{said} {error.message}"), held)
    said += " ".join(f" {damage.name} {damage.reason}" for damage in found.damage)
    return Finding(mentioned(name, said), {point for damage in found.damage for point in damage.points} | held - set(points))


async def scrubbed(opened: LocalEngine) -> engine.Verified:
    try:
        return await opened.scrub(lambda _: None)
    except UnderstudyError as error:
        none = engine.Damage(name="vault", reason=error.message)
        return engine.Verified(level="scrub", machine=None, points=(), objects=0, read_bytes=0, seconds=0, damage=(none,))


def mentioned(name: str, said: str) -> bool:
    """By its own name; a record also by its number, a deleted key slot by its owner."""
    directory, _, last = name.rpartition("/")
    owner = directory.removesuffix("/log")
    words = [f"record {int(last)} of {owner}", f"record {int(last)} "] if last.isdecimal() else [last]
    return any(word in said for word in words) or (directory == "keys" and "no key slot of" in said)


async def readable(ruins: Ruins, machine: str, points: set[str], **opened_by: str) -> set[str]:
    """Those of the points that can be restored."""
    async with ruins.engine(**opened_by) as opened:
        return {point for point in sorted(points) if await ruins.restored(opened, machine, point)}
