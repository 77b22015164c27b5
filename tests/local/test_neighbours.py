"""One damaged object, and what has nothing to do with it: the others' prunes, groups, keys and machines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from understudy import engine
from understudy.app import open_engine
from understudy.errors import IntegrityError, NotFound
from understudy.store.file import FileStore


class Place:
    """Machines web and db are a group, mail is none of theirs; each has two points."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ids: dict[str, str] = {}

    @asynccontextmanager
    async def engine(self, key: str = "operator") -> AsyncIterator[engine.Engine]:
        vault, state = (self.root / "vault").as_uri(), str(self.root / "state")
        credential = engine.KeyFile(path=str(self.root / f"{key}.key"))
        async with open_engine(engine.Connection(vault=vault, state_dir=state, site="here", credential=credential)) as opened:
            yield opened

    async def make(self) -> None:
        async with self.engine() as opened:
            await opened.create_vault(engine.CreateVault(label="operator"))
            await opened.add_key(
                engine.AddKey(role="source", label="host-a", credential=engine.KeyFile(path=str(self.root / "source.key")))
            )
            for name in ("web", "db", "mail"):
                disk = self.root / f"{name}.raw"
                disk.write_bytes(name.encode() * 5000)
                protected = await opened.protect(engine.Protect(name=name, source=engine.BlockSource(disks={"vda": str(disk)})))
                self.ids[name] = protected.machine.id
            await opened.create_group(engine.CreateGroup(name="shop", machines=("web", "db")))
            for _ in range(2):
                async with opened.replicate_group("shop") as group:
                    await group.cycle(lambda _: None)
                async with opened.replicate("mail") as mail:
                    await mail.cycle(lambda _: None)

    def spoil(self, machine: str) -> None:
        record = sorted((self.root / "vault" / "machines" / self.ids[machine] / "log").iterdir())[1]
        record.write_bytes(record.read_bytes()[:-1])


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    await made.make()
    return made


async def test_a_group_reads_no_other_machine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place.engine() as opened:
        await opened.unprotect(engine.Unprotect(name="mail"))
        await opened.remove_group("shop")
    read: set[str] = set()
    get = FileStore.get

    async def noted(store: FileStore, name: str, start: int = 0, length: int | None = None) -> bytes:
        read.update(machine for machine, id_ in place.ids.items() if id_ in name)
        return await get(store, name, start, length)

    monkeypatch.setattr(FileStore, "get", noted)
    async with place.engine() as opened:
        await opened.create_group(engine.CreateGroup(name="shop", machines=("web", "db")))
        await opened.groups()
        async with opened.replicate_group("shop") as group:
            await group.cycle(lambda _: None)
    assert read == {"web", "db"}
    async with place.engine() as opened:
        with pytest.raises(NotFound, match="'mail' is not followed from this host"):
            await opened.create_group(engine.CreateGroup(name="post", machines=("web", "mail")))
        with pytest.raises(NotFound, match="no machine 'nope'"):
            await opened.create_group(engine.CreateGroup(name="post", machines=("web", "nope")))


async def test_a_prune_asks_those_whose_groups_it_may_break_and_nobody_else(place: Place) -> None:
    async with place.engine() as opened:
        await opened.set_retention(engine.SetRetention(machine="web", policy=engine.Policy(least=1)))
        place.spoil("mail")
        pruned = await opened.prune(engine.Prune(machine="web"))
        assert pruned.points[0].reasons == ("db keeps its point of the same group",)
        place.spoil("db")
        with pytest.raises(IntegrityError):
            await opened.prune(engine.Prune(machine="web"))


async def test_groups_are_known_by_their_members_alone(place: Place) -> None:
    place.spoil("mail")
    async with place.engine() as opened:
        (group,) = await opened.groups()
        assert [member.name for member in group.members] == ["db", "web"]
        assert await opened.remove_group("shop") == group
        assert await opened.groups() == ()


async def test_a_vault_is_shown_with_what_is_damaged_in_it(place: Place) -> None:
    place.spoil("mail")
    async with place.engine() as opened:
        (slot,) = [key.slot for key in await opened.keys() if key.label == "host-a"]
        path = place.root / "vault" / "keys" / slot
        path.write_bytes(path.read_bytes()[:-1])
        info = await opened.vault()
        assert [machine.name for machine in info.machines] == ["db", "mail", "web"]
        assert [f"machines/{place.ids['mail']}" in reason for reason in info.damage] == [True]
        whole, damaged = info.keys
        assert (whole.label, whole.current, whole.damage) == ("operator", True, "")
        assert (damaged.slot, damaged.role, damaged.kind) == (slot, None, "damaged")
        assert slot in damaged.damage
        assert await opened.keys() == info.keys
        for doing in (
            opened.remove_key(slot),
            opened.rotate_key(engine.RotateKey(slot=slot[:8], credential=engine.Passphrase(text="new"))),
        ):
            with pytest.raises(IntegrityError, match=slot):
                await doing


async def test_a_point_tells_when_it_was_proven(place: Place) -> None:
    async with place.engine() as opened:
        first, second = (await opened.points("mail")).points
        await opened.verify(engine.Verify(machine="mail", points=(first.id,), level="digest"), lambda _: None)
        first, second = (await opened.points("mail")).points
        assert first.verified_at is not None
        assert first.verified_at > second.frozen_at
        assert second.verified_at is None
