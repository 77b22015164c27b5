"""A copy that was away for long comes on over what was deleted and trimmed meanwhile: a vault at each instant, which can be promoted."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Call, FaultyStore
from tests.local.promoted import Sites
from understudy.errors import Diverged, NotFound, StoreUnavailable
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.trimming import TAIL, Tail
from understudy.vault.copy.copier import Copier
from understudy.vault.copy.leap import Leap, close_leaps, drop_staged, end_leap, leap
from understudy.vault.copy.whole import lacks
from understudy.vault.log.patience import Patience


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here
    monkeypatch.setattr(Patience, "waits", lambda self: iter(()))


@pytest.fixture
async def sites(tmp_path: Path) -> Sites:
    """A copy with two points; the vault has dropped them since, and deleted what only they, and others since, needed."""
    made = Sites(tmp_path, np.random.default_rng(5))
    await made.create()
    await made.protect("web", 60_000)
    await made.cycles("web", 2, 4)
    await made.copied("second")
    return made


async def aged(sites: Sites, tail: Tail) -> dict[str, dict[str, bytes]]:
    """What all points held that there ever were. Twice: what the first run condemns in the copy's absence is gone when it comes on."""
    ((machine, points),) = sites.held.items()
    ever = dict(points)
    for _ in range(2):
        await sites.cycles("web", 2, 30)
        ever |= points
        vault = await sites.opened("vault", "state")
        log = await vault.find("web")
        await log.append(kinds.Prune(points=tuple(entry.point.id for entry in log.state.points[:-1])))
        done = await Collector(vault, log, sites.root, 0, tail=tail).run()
        assert done.deleted[0] + done.condemned[0]
        assert bool(done.swept[0]) == (tail is not TAIL)
        sites.held[machine] = points = {entry.point.id.hex(): ever[entry.point.id.hex()] for entry in log.state.points}
    await sites.cycles("web", 1, 4)
    ever |= sites.held[machine]
    return ever


@pytest.mark.parametrize("tail", [TAIL, Tail(1, 1)], ids=["condemned", "trimmed"])
async def test_cut_off_at_any_write_it_holds_all_that_it_lists(sites: Sites, tail: Tail, tmp_path: Path) -> None:
    ((machine, points),) = sites.held.items()
    before, ever = set(points), await aged(sites, tail)
    after, vault, left = set(sites.held[machine]), await sites.opened("vault"), [0]
    (log,) = await vault.logs()
    sites.held[machine] = ever

    def one_more(call: Call) -> None:
        if call.op == "create" and not (tmp_path / "second" / call.name).exists():
            if not left[0]:
                raise StoreUnavailable("as if it had been killed here")
            left[0] -= 1

    seen, stages, again = list[set[str]](), set[tuple[bool, int]](), True
    owner = tmp_path / "second/machines" / machine
    while again:
        target, left[0] = FaultyStore(FileStore(tmp_path / "second")), 1
        target.before = one_more
        try:
            copier = Copier(vault, target)
            await copier.settings()
            await copier.machine(log)
            again = False
        except StoreUnavailable:
            pass
        copy = await sites.opened("second")
        (other,) = await copy.logs()
        assert await lacks(copy, other) == ()
        listed = {entry.point.id.hex() for entry in other.state.points}
        if not seen or seen[-1] != listed:
            seen.append(listed)
            (salvaged,) = await (await sites.salvaged("second")).logs()
            assert salvaged.state.points == other.state.points
            sites.place = "second"
            async with sites.engine(state="fresh") as opened:
                assert {point for point in listed if await sites.restored(opened, machine, point)} == listed
        # Staged in part; begun; its last record there; and some of the others.
        stage = (owner / "switches").exists(), len(list((owner / "log").iterdir()))
        if (owner / "staged").exists() and stage not in stages and len(stages) < 4:
            stages.add(stage)
            await must_be_promotable(sites, after if stage[0] else before)
    assert seen == [before, after]
    assert len(stages) == 4
    assert await drop_staged(FileStore(tmp_path / "second"), names.machine(machine), 0) > 1
    assert {entry.point.id.hex() for entry in (await (await sites.opened("second")).logs())[0].state.points} == after


async def must_be_promotable(sites: Sites, points: set[str]) -> None:
    """As it is, while the vault is gone: these points are there then, and the log goes on."""
    for place in ("second", "state"):
        shutil.copytree(sites.root / place, sites.root / f"{place}-kept")
    sites.place = "lost"
    assert (await sites.promoted("second")).machines == 1
    sites.place = "second"
    (log,) = await (await sites.opened("second", "state")).logs()
    await log.append(kinds.Note(text="it goes on"))
    copy = await sites.opened("second")
    (log,) = await copy.logs()
    assert {entry.point.id.hex() for entry in log.state.points} == points
    assert await lacks(copy, log) == ()
    for place in ("second", "state"):
        shutil.rmtree(sites.root / place)
        (sites.root / f"{place}-kept").rename(sites.root / place)


async def test_who_copies_and_who_promotes_are_never_both_first(tmp_path: Path) -> None:
    store, owner, data = FileStore(tmp_path / "copy", make=True), names.machine("0" * 32), {seq: b"%d" % seq for seq in range(2, 6)}
    for seq, record in data.items():
        await store.create(names.staged(owner, seq), [record])
    faulty = FaultyStore(store)
    place = names.record(owner, 4)

    def killed(call: Call) -> None:
        if call.op == "create" and call.name == place:
            raise StoreUnavailable("as if it had been killed here")

    faulty.before = killed
    with pytest.raises(StoreUnavailable):
        await leap(faulty, owner, Leap(first=2, last=4), 0)
    await close_leaps(store, owner, b"x" * 16)  # who promotes ends what was begun
    assert [(await store.get(names.record(owner, seq))) for seq in (2, 3, 4)] == [data[seq] for seq in (2, 3, 4)]
    with pytest.raises(Diverged, match="promotion of this copy was begun"):
        await leap(store, owner, Leap(first=5, last=5), 2)
    await close_leaps(store, owner, b"x" * 16)
    assert await store.head(names.record(owner, 5)) is None


async def leapt(root: Path) -> tuple[FileStore, str]:
    """A log of two records went on to the sixth, over records 3 to 6; 7 and 8 are staged."""
    store, owner = FileStore(root / "copy", make=True), names.machine("0" * 32)
    for seq in range(1, 9):
        await store.create((names.record if seq < 3 else names.staged)(owner, seq), [b"%d" % seq])
    assert await leap(store, owner, Leap(first=3, last=6), 0)
    return store, owner


async def logged(store: FileStore, owner: str) -> list[int | None]:
    return [names.number_of(owner, info.name) async for info in store.list(names.log(owner))]


@pytest.mark.parametrize("damage", ["bit", "deletion"])
async def test_what_is_left_of_a_leap_that_is_done_hinders_nothing_when_it_is_damaged(tmp_path: Path, damage: str) -> None:
    store, owner = await leapt(tmp_path)
    path = tmp_path / "copy" / names.leaps(owner) / f"{1:08d}"
    data = path.read_bytes()
    path.unlink()
    if damage == "bit":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert (await end_leap(store, owner)).done
    assert await drop_staged(store, owner, 3) == 1  # the rest stays until it is trimmed
    assert await leap(store, owner, Leap(first=7, last=8), 1)
    assert await logged(store, owner) == list(range(1, 9))
    await close_leaps(store, owner, b"x" * 16)
    with pytest.raises(Diverged, match="promotion of this copy was begun"):
        await leap(store, owner, Leap(first=9, last=9), 3)


async def test_who_was_overtaken_begins_no_leap_that_nobody_can_end(tmp_path: Path) -> None:
    store, owner = await leapt(tmp_path)
    for seq in range(2, 6):  # the log was trimmed, and cleaned
        await store.delete(names.record(owner, seq))
    assert await drop_staged(store, owner, 5) == 4
    assert not await leap(store, owner, Leap(first=3, last=8), 0)
    assert (await end_leap(store, owner)).number == 1
    # One who was overtaken record by record cannot tell.
    assert await leap(store, owner, Leap(first=3, last=8), 1)
    assert await logged(store, owner) == [1, 6, 7, 8]
    await close_leaps(store, owner, b"x" * 16)


async def test_a_leap_that_lost_what_it_was_to_bring_does_nothing(tmp_path: Path) -> None:
    store, owner = await leapt(tmp_path)
    await store.delete(names.staged(owner, 7))
    for _ in range(2):
        with pytest.raises(NotFound, match="staged"):
            await leap(store, owner, Leap(first=7, last=8), 1)
        assert await logged(store, owner) == list(range(1, 7))


async def test_a_leap_goes_on_over_nothing_that_somebody_else_wrote(tmp_path: Path) -> None:
    store, owner = await leapt(tmp_path)
    await store.create(names.record(owner, 7), [b"of a promoted vault"])
    for _ in range(2):
        with pytest.raises(Diverged, match="something else"):
            await leap(store, owner, Leap(first=7, last=8), 1)
        assert await logged(store, owner) == list(range(1, 8))
