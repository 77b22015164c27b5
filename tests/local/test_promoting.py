"""The vault is lost, and a copy of it becomes the vault: sites go back to that once, to nothing else, and nothing wrong comes of it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.local.promoted import Sites
from understudy import engine
from understudy.engine import promotion
from understudy.errors import AccessDenied, Busy, Conflict, Diverged, InDoubt, IntegrityError, RolledBack, StoreUnavailable
from understudy.local.ownership import owned
from understudy.local.policy_file import write_policy
from understudy.local.site import DAEMON, Site
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.copy.copier import Copier
from understudy.vault.copy.leap import newest
from understudy.vault.copy.place import begin_copy, finish_copy
from understudy.vault.copy.promote import closed_logs
from understudy.vault.log.patience import Patience
from understudy.vault.vault import Vault


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here


@pytest.fixture
async def sites(tmp_path: Path) -> Sites:
    made = Sites(tmp_path, np.random.default_rng(5))
    await made.create()
    await made.protect("web", 200_000)
    await made.cycles("web", 2, 4)
    return made


async def cycle(sites: Sites) -> engine.Cycle:
    async with sites.engine("source", "source-state") as source, source.replicate("web") as replication:
        made = await replication.cycle(lambda _: None)
        ((_, points),) = sites.held.items()
        points[made.point] = sites.content(sites.disks("web"))
        return made


async def test_sites_go_back_to_a_promoted_copy_and_refuse_the_vault_that_it_was_of(sites: Sites, tmp_path: Path) -> None:
    await sites.copied("second")
    (points,) = sites.held.values()
    there = set(points)
    for path in sites.disks("web").values():
        sites.scribble(Path(path), 3)
    lost = (await cycle(sites)).point
    async with sites.engine(state="elsewhere") as other:  # a site that hears of nothing
        await other.points("web")
    sites.vault.rename(tmp_path / "away")

    # An old copy that nobody has promoted.
    sites.place = "second"
    with pytest.raises(RolledBack, match="old copy") as refused:
        await cycle(sites)
    assert "vault promote" in refused.value.hint
    sites.place = "vault"

    async with sites.engine() as operator:
        shown = await operator.prospects(sites.url("second"))
        assert (shown.machines[0].lost, shown.machines[0].points, shown.promoted) == (None, len(there), False)
        assert "No such file" in shown.vault
    done = await sites.promoted("second")
    assert done.told
    assert (done.sites, done.seconds) == (("source-state",), ())
    assert (await sites.what("second")).kind == "promoted"

    sites.place = "second"
    made = await cycle(sites)
    del points[lost]
    assert await sites.restorable("source-state") == set(points) == there | {made.point}
    for path in sites.disks("web").values():
        sites.scribble(Path(path), 3)
    assert (await cycle(sites)).cause == "delta"
    assert await sites.restorable("fresh") == set(points)

    # The former vault is back, and nobody told it.
    (tmp_path / "away").rename(tmp_path / "vault")
    sites.place = "vault"
    for state, key in (("source-state", "source"), ("state", "operator")):
        with pytest.raises(RolledBack, match="given up"):
            async with sites.engine(key, state) as opened:
                await opened.points("web")
    async with sites.engine(state="elsewhere") as other:
        await other.set_retention(engine.SetRetention(machine="web", policy=engine.Policy(daily=7)))
        with pytest.raises(Diverged, match="promoted"):
            await other.bring_second(engine.BringSecond(url=sites.url("second")), lambda _: None)
    # Said again, now that it can be told.
    assert (await sites.promoted("second")).told == ""
    async with sites.engine(state="elsewhere") as other:
        with pytest.raises(Conflict, match="given up") as refused:
            await other.set_retention(engine.SetRetention(machine="web", policy=engine.Policy(daily=8)))
        assert (await other.vault()).place.kind == "given-up"
        assert sites.url("second") in refused.value.hint
        assert lost in {point.id for point in (await other.points("web")).points}  # what it holds can be read


async def test_of_two_copies_that_are_promoted_a_site_follows_one(sites: Sites, tmp_path: Path) -> None:
    await sites.copied("second")
    await sites.copied("third")
    await sites.promoted("second")
    for state in ("state", "another"):
        with pytest.raises((RolledBack, Conflict), match="promot"):
            await sites.promoted("third", state)
    assert not (await sites.opened("third")).settings.promotions
    # Where nobody can be asked, and nothing was seen, it can be done; who has followed the one refuses the other.
    shutil.rmtree(sites.vault)
    await sites.promoted("third", "another")
    sites.place = "third"
    with pytest.raises(RolledBack, match="another copy"):
        async with sites.engine() as opened:
            await opened.points("web")
    sites.place = "second"
    with pytest.raises(RolledBack, match="another copy"):
        async with sites.engine(state="another") as opened:
            await opened.points("web")


async def test_a_place_says_what_it_is_and_who_still_copies_there_is_named(sites: Sites, tmp_path: Path) -> None:
    assert await sites.what("vault") == engine.VaultPlace()
    await sites.copied("second")
    async with sites.engine() as operator:
        await operator.points("web")
    shown = await sites.what("second")
    assert (shown.kind, shown.behind, shown.verified_at) == ("copy", 0, None)
    await cycle(sites)
    async with sites.engine() as operator:
        machine = (await operator.points("web")).machine.id
    shown = await sites.what("second")  # which this site works with no more, having seen more
    assert (shown.kind, shown.behind) == ("copy", 2)  # a claim and a point
    write_policy(
        Site("state", tmp_path / "state").directory((await sites.opened("vault")).id, machine),
        engine.ReplicationPolicy(second=sites.url("second")),
    )
    with owned(tmp_path / "state" / DAEMON, "this host's state directory"), pytest.raises(Busy, match="state directory") as refused:
        await sites.promoted("second")
    assert "stop this site's daemon" in refused.value.hint
    sites.place = "second"
    with pytest.raises(Conflict, match="named both"):
        await sites.promoted("second")
    sites.place = "vault"
    assert (await sites.promoted("second")).seconds == ("web",)


async def test_an_older_copy_of_the_promoted_vault_is_refused_again(sites: Sites, tmp_path: Path) -> None:
    await sites.copied("second")
    await cycle(sites)
    await sites.promoted("second")
    sites.place = "second"
    await cycle(sites)
    shutil.copytree(tmp_path / "second", tmp_path / "old")
    await cycle(sites)
    sites.place = "old"
    with pytest.raises(RolledBack, match="old copy"):
        await cycle(sites)
    sites.place = "second"
    assert (await cycle(sites)).cause == "delta"


async def test_a_process_that_works_with_the_former_vault_stops_when_another_of_its_site_has_moved_on(sites: Sites) -> None:
    await sites.copied("second")
    former = await sites.opened("vault", "state")
    log = await former.find("web")
    await sites.promoted("second")
    with pytest.raises((RolledBack, Conflict), match="promot"):
        await log.append(kinds.Note(text="still here"))


async def test_what_was_in_doubt_in_the_former_vault_never_reaches_the_promoted_one(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    await sites.copied("second")
    sites.faults = FaultyStore(FileStore(sites.vault))
    monkeypatch.setattr("understudy.vault.log.chain.STALL", 60.0)
    monkeypatch.setattr(Patience, "waits", lambda self: iter(()))
    sites.faults.plan(Fault(Action.FAIL_BEFORE, "create", "*/log/*", times=-1))
    with pytest.raises((InDoubt, StoreUnavailable)):
        await cycle(sites)
    sites.faults = None
    await sites.promoted("second")
    sites.place = "second"
    made = [await cycle(sites) for _ in range(3)]
    assert made[-1].cause == "delta"
    ((_, points),) = sites.held.items()
    assert await sites.restorable("fresh") == set(points)
    (log,) = await (await sites.opened("second")).logs()
    assert not log.state.void


async def test_a_copy_that_is_not_whole_or_a_sources_key_promotes_nothing(sites: Sites, tmp_path: Path) -> None:
    await sites.copied("second")
    pack = next(path for path in (tmp_path / "second").rglob("*") if "/packs/" in str(path) and path.is_file())
    data = pack.read_bytes()
    pack.unlink()
    with pytest.raises(IntegrityError, match=pack.name):
        await sites.promoted("second")
    pack.write_bytes(data)
    with pytest.raises(AccessDenied):
        async with sites.engine("source", "source-state") as source:
            await source.promote_second(promotion.PromoteSecond(url=sites.url("second")))
    assert not (await sites.opened("second")).settings.promotions
    assert (await sites.opened("vault")).settings.given_up is None


async def test_a_machine_whose_log_cannot_be_ended_holds_up_no_other(sites: Sites, tmp_path: Path) -> None:
    await sites.protect("db", 60_000)
    await sites.cycles("db", 1, 2)
    await sites.copied("second")
    copy = await sites.opened("second")
    web, db = [(await copy.find(name)).machine_id for name in ("web", "db")]
    begun = tmp_path / "second" / names.leaps(names.machine(web)) / f"{1:08d}"
    begun.parent.mkdir()
    begun.write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match="switches"):
        await sites.promoted("second")
    assert not (tmp_path / "second" / names.leaps(names.machine(db))).exists()
    async with sites.engine() as operator:
        done = await operator.promote_second(promotion.PromoteSecond(url=sites.url("second"), despite=True))
    assert done.machines == 1
    sites.place = "second"
    async with sites.engine() as opened:
        for machine in (web, db):
            restored = {point for point in sites.held[machine] if await sites.restored(opened, machine, point)}
            assert restored == set(sites.held[machine]) != set()


async def test_a_machine_that_comes_over_while_a_promotion_is_begun_is_closed_too(sites: Sites, tmp_path: Path) -> None:
    vault, target = await sites.opened("vault"), FileStore(tmp_path / "second", make=True)
    await begin_copy(vault, target)
    copier = Copier(vault, target)
    await copier.settings()
    await finish_copy(vault, copier.ferry)
    await sites.protect("db", 60_000)
    web, db = [await vault.find(name) for name in ("web", "db")]
    await copier.machine(web)
    (came, *_) = [record async for record in vault.store.list(names.log(names.machine(db.machine_id)))]
    data = await vault.store.get(came.name)
    faulty = FaultyStore(target)

    def comes(call: Call) -> None:
        if call.op == "create" and "/switches/" in call.name and not (tmp_path / "second" / came.name).exists():
            (tmp_path / "second" / came.name).parent.mkdir(parents=True)
            (tmp_path / "second" / came.name).write_bytes(data)

    faulty.before = comes
    logs, damaged = await closed_logs(await Vault.open(faulty, sites.unlock("operator"), None), b"x" * 16)
    assert ({log.machine_id for log in logs}, damaged) == ({web.machine_id, db.machine_id}, {})
    for log in logs:
        assert (await newest(target, names.machine(log.machine_id))).leap.promotion == b"x" * 16


async def test_cut_off_at_any_write_a_promotion_is_said_again(sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "waits", lambda self: iter(()))
    await sites.copied("second")
    await cycle(sites)
    for place in ("vault", "second", "state"):
        shutil.copytree(tmp_path / place, tmp_path / f"{place}.kept")
    ends = set()
    for cut in range(5):
        for place in ("vault", "second", "state"):
            shutil.rmtree(tmp_path / place)
            shutil.copytree(tmp_path / f"{place}.kept", tmp_path / place)
        sites.faults = FaultyStore(FileStore(sites.vault))
        sites.faults.plan(
            Fault(Action.FAIL_AFTER, "create", skip=cut, times=1), Fault(Action.FAIL_BEFORE, "create", skip=cut + 1, times=-1)
        )
        try:
            ends.add((await sites.promoted("second")).told != "")
        except (InDoubt, StoreUnavailable):
            ends.add(None)
        sites.faults = None
        assert (await sites.promoted("second")).told == ""
        vault, copy = await sites.opened("vault"), await sites.opened("second", "state")
        (promoted,) = copy.settings.promotions
        assert vault.settings.given_up is not None
        assert vault.settings.given_up.promotion == promoted.id
        log = await copy.find("web")
        (end,) = promoted.heads
        assert log.head.seq == end.seq + 1  # one note, however often it was said
        record = names.record(names.machine(log.machine_id), end.seq)
        assert (tmp_path / "second" / record).read_bytes() == (tmp_path / "vault" / record).read_bytes()
    assert ends >= {None, False}


async def test_who_still_copies_from_the_former_vault_meets_an_end(sites: Sites) -> None:
    await sites.copied("second")
    former, copy = await sites.opened("vault"), FileStore(sites.root / "second")
    copier = Copier(former, copy)
    (log,) = await former.logs()
    await copier.settings()
    await cycle(sites)
    await log.refresh()
    await sites.promoted("second")
    with pytest.raises(Diverged):  # in the middle of a round that began before
        await copier.machine(log)
    with pytest.raises(Diverged):
        await copier.settings()


async def test_a_key_that_was_revoked_promotes_no_copy_that_does_not_know_of_it(sites: Sites) -> None:
    await sites.copied("second")
    async with sites.engine() as operator:
        await operator.remove_key("safe")
    async with sites.engine("source", "source-state") as source:
        await source.points("web")
    async with sites.engine("safe", "thief") as thief:
        await thief.promote_second(promotion.PromoteSecond(url=sites.url("second")))
    sites.place = "second"
    for key, state in (("operator", "state"), ("source", "source-state")):
        with pytest.raises(RolledBack, match="revoked before"):
            async with sites.engine(key, state) as opened:
                await opened.points("web")


async def test_a_standby_that_holds_a_lost_point_comes_back_to_one_that_there_is(sites: Sites, tmp_path: Path) -> None:
    await sites.copied("second")
    for path in sites.disks("web").values():
        sites.scribble(Path(path), 3)
    lost, follow = await cycle(sites), engine.FollowStandby(machine="web")
    async with sites.engine() as operator:
        await operator.create_standby(engine.CreateStandby(machine="web", directory=str(tmp_path / "images")))
        assert (await operator.follow_standby(follow, lambda _: None)).point.id == lost.point
    await sites.promoted("second")
    sites.place = "second"
    (points,) = sites.held.values()
    del points[lost.point]
    async with sites.engine() as operator:
        done = await operator.follow_standby(follow, lambda _: None)
    assert sites.content({disk.name: disk.path for disk in done.disks}) == points[done.point.id]
