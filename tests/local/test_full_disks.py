"""Full disks under the vault and the state directory: a clear error, nothing lost or left behind, and on it goes when there is space."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.small import ROOT, Small, small
from understudy.app import open_engine
from understudy.engine import BlockSource, Connection, CreateVault, Cycle, Engine, KeyFile, Progress, Protect, Replication, Restore
from understudy.errors import StateFailed, StoreUnavailable
from understudy.model import BLOCK_SIZE
from understudy.replication import upload
from understudy.vault.log.patience import Patience

MIB = 1 << 20


def unseen(_: Progress) -> None:
    """Nobody watches."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not become less full by waiting."""

    def waits(patience: Patience) -> Iterator[float]:
        return iter([0.0] * (patience.attempts - 1))

    monkeypatch.setattr(upload, "FIRST_DELAY", 0.0)
    monkeypatch.setattr(Patience, "waits", waits)


def connection(root: Path) -> Connection:
    key = KeyFile(path=str(root / "key"))
    return Connection(vault=(root / "vault" / "v").as_uri(), state_dir=str(root / "state" / "s"), site="here", credential=key)


@asynccontextmanager
async def followed(root: Path, disk: Path) -> AsyncIterator[Engine]:
    for name in ("vault", "state"):
        (root / name).mkdir(exist_ok=True)
    async with open_engine(connection(root)) as engine:
        await engine.create_vault(CreateVault(label="ops"))
        await engine.protect(Protect(name="db", source=BlockSource(disks={"vda": str(disk)})))
        yield engine


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file() and path.name != "filler"}


async def restored(engine: Engine, point: str, target: Path) -> bytes:
    await engine.restore(Restore(machine="db", point=point, format="raw", targets={"vda": str(target)}), unseen)
    content = await now(target)
    for path in (target, target.with_name(f"{target.name}.understudy")):
        await asyncio.to_thread(path.unlink)
    return content


async def now(disk: Path) -> bytes:
    return await asyncio.to_thread(disk.read_bytes)


def scribble(disk: Path, chance: random.Random, blocks: int) -> None:
    with disk.open("rb+") as out:
        for _ in range(blocks):
            out.seek(chance.randrange(disk.stat().st_size // BLOCK_SIZE) * BLOCK_SIZE)
            out.write(chance.randbytes(BLOCK_SIZE))


if ROOT:

    async def test_cycles_that_do_not_fit_into_the_vault_leave_nothing_there(tmp_path: Path) -> None:
        chance, disk = random.Random(1), tmp_path / "disk"
        disk.write_bytes(chance.randbytes(4 * MIB))
        with small(tmp_path / "vault", "64m") as vault:
            async with followed(tmp_path, disk) as engine, engine.replicate("db") as replication:
                await replication.cycle(unseen)
                disk.write_bytes(chance.randbytes(48 * MIB))
                vault.fill(leave=40 * MIB // 4096)
                before, free = files(vault.path), vault.free
                for _ in range(3):
                    with pytest.raises(StoreUnavailable, match="No space left") as caught:
                        await replication.cycle(unseen)
                    assert f"free space on the file system of {vault.path}" in caught.value.hint
                    # Else each would take some more, and there were never enough again.
                    assert files(vault.path) == before
                    assert vault.free == free
                vault.empty()
                point = await replication.cycle(unseen)
                assert await restored(engine, point.point, tmp_path / "out") == await now(disk)

    @pytest.mark.parametrize("sparse", [False, True], ids=["known", "new-regions"])
    async def test_a_state_directory_that_is_full_at_any_step(sparse: bool, tmp_path: Path) -> None:
        """`new-regions`: the signature files must grow, too."""
        chance, disk = random.Random(2), tmp_path / "disk"
        with disk.open("wb") as out:
            out.truncate((128 if sparse else 4) * MIB)
        scribble(disk, chance, 4 if sparse else 200)
        held: dict[str, bytes] = {}
        failures: list[StateFailed] = []
        with small(tmp_path / "state", "16m") as state:
            async with followed(tmp_path, disk) as engine:
                async with engine.replicate("db") as replication:
                    await replication.cycle(unseen)
                usual = files(state.path)
                for leave in range(10):
                    scribble(disk, chance, 5 if sparse else 30)
                    async with engine.replicate("db") as replication:
                        state.fill(leave)
                        for _ in range(2):
                            with contextlib.suppress(StateFailed):
                                held[(await attempted(replication, state, failures)).point] = await now(disk)
                        assert not {name for name in files(state.path) if name.endswith(".new")}
                        state.empty()
                        held[(await replication.cycle(unseen)).point] = await now(disk)
                    assert files(state.path) == usual
                assert failures
                points = [point.id for point in (await engine.points("db")).points][1:]
                assert set(held) <= set(points)
                for point in list(held)[-6:]:
                    assert await restored(engine, point, tmp_path / "out") == held[point]

    async def attempted(replication: Replication, state: Small, failures: list[StateFailed]) -> Cycle:
        """Its error names the directory and what to do."""
        try:
            return await replication.cycle(unseen)
        except StateFailed as error:
            if str(state.path) not in error.message or not {"full", "free"}.intersection(error.hint.split()):
                raise AssertionError(f"{error.message} ({error.hint})") from error
            failures.append(error)
            raise

    async def test_a_state_directory_without_inodes(tmp_path: Path) -> None:
        chance, disk = random.Random(3), tmp_path / "disk"
        await asyncio.to_thread(disk.write_bytes, chance.randbytes(MIB))
        with small(tmp_path / "state", "16m") as state:
            async with followed(tmp_path, disk) as engine, engine.replicate("db") as replication:
                await replication.cycle(unseen)
                scribble(disk, chance, 3)
                state.fill_inodes()
                for _ in range(2):
                    with pytest.raises(StateFailed, match=str(state.path)):
                        await replication.cycle(unseen)
                state.empty()
                point = await replication.cycle(unseen)
                assert await restored(engine, point.point, tmp_path / "out") == await now(disk)

    async def test_a_state_directory_that_is_mounted_read_only(tmp_path: Path) -> None:
        chance, disk = random.Random(4), tmp_path / "disk"
        await asyncio.to_thread(disk.write_bytes, chance.randbytes(MIB))
        with small(tmp_path / "state", "16m") as state:
            async with followed(tmp_path, disk) as engine:
                state.remount("ro")
                with pytest.raises(StateFailed, match=str(state.path)):
                    async with engine.replicate("db"):
                        pass
                state.remount("rw")
                async with engine.replicate("db") as replication:
                    point = await replication.cycle(unseen)
                assert await restored(engine, point.point, tmp_path / "out") == await now(disk)

    async def test_a_vault_that_did_not_fit_can_be_created_again(tmp_path: Path) -> None:
        (tmp_path / "state").mkdir()
        with small(tmp_path / "vault", "1m") as vault:
            for leave in range(8):
                vault.fill(leave)
                async with open_engine(connection(tmp_path)) as engine:
                    with contextlib.suppress(StoreUnavailable):
                        await engine.create_vault(CreateVault(label="ops"))
                        break
                    assert files(vault.path) == set()
            assert leave
            async with open_engine(connection(tmp_path)) as engine:
                assert (await engine.vault()).role == "operator"

    async def test_a_key_file_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
        with small(tmp_path / "keys", "1m") as keys:
            (tmp_path / "vault").mkdir()
            keys.fill()
            wanted = Connection(
                vault=(tmp_path / "vault" / "v").as_uri(),
                state_dir=str(tmp_path / "state"),
                site="here",
                credential=KeyFile(path=str(keys.path / "key")),
            )
            async with open_engine(wanted) as engine:
                with pytest.raises(StateFailed, match="No space left") as caught:
                    await engine.create_vault(CreateVault(label="ops"))
                assert "full" in caught.value.hint
                assert files(keys.path) == set()
                keys.empty()
                await engine.create_vault(CreateVault(label="ops"))
