"""The append protocol over a store that fails, answers late, or holds somebody else's record already."""

import asyncio
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point, two_sites
from understudy.errors import Conflict, Fenced, InDoubt, IntegrityError, SecondWriter, StoreRefused, StoreUnavailable
from understudy.vault import kinds, names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

NOTE = kinds.Note(text="x")
RECORDS = "machines/*/log/*"


async def reopened(store: FaultyStore, tmp_path: Path, machine_id: str, state: str = "state") -> MachineLog:
    """As a new process of the same site finds it."""
    return await (await Vault.open(store, UNLOCK, tmp_path / state, patience=QUICK)).find(machine_id)


@pytest.fixture
async def log(vault: Vault) -> MachineLog:
    log = await vault.protect("web", "site-a")
    await log.claim("site-a")
    return log


def attempt_of(log: MachineLog, tmp_path: Path) -> Path:
    (found,) = (tmp_path / "state" / "vaults").glob(f"*/machines/{log.machine_id}")
    return found / "attempt"


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.FAIL_AFTER])
@pytest.mark.parametrize("op", ["create", "get"])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_store_that_fails_a_little(
    log: MachineLog, store: FaultyStore, tmp_path: Path, action: Action, op: str, times: int
) -> None:
    # The second fault makes it also forget what the first create did.
    store.plan(Fault(action, op, RECORDS, times=times), Fault(Action.FAIL_AFTER, "create", RECORDS, times=1))
    point = a_point()
    record = await log.append(point)
    assert (record.seq, log.head.seq) == (3, 3)
    assert [entry.point for entry in log.state.points] == [point]
    assert not attempt_of(log, tmp_path).exists()
    assert (await reopened(store, tmp_path, log.machine_id)).state == log.state


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.FAIL_AFTER, Action.LATE])
@pytest.mark.parametrize("new_process", [True, False])
async def test_in_doubt_until_settled(log: MachineLog, store: FaultyStore, tmp_path: Path, action: Action, new_process: bool) -> None:
    store.plan(Fault(action, "create", RECORDS, times=-1), Fault(Action.FAIL_BEFORE, "get", RECORDS, times=-1))
    point = a_point()
    with pytest.raises(InDoubt, match="record 3") as doubt:
        await log.append(point)
    assert isinstance(doubt.value.__cause__, StoreUnavailable)
    assert str(doubt.value.__cause__) in doubt.value.message
    creates = [call for call in store.calls if call.op == "create"]
    assert creates == [Call("create", names.record(names.machine(log.machine_id), 3))] * QUICK.attempts
    kept = attempt_of(log, tmp_path).read_bytes()
    # Still no answer: neither settling nor a new append gets past it, and the attempt does not change.
    for again in (log.settle(), log.append(a_point()), log.claim("site-a")):
        with pytest.raises(InDoubt):
            await again
    assert attempt_of(log, tmp_path).read_bytes() == kept
    assert len({data for _, data in store.late}) <= 1
    store.plan()
    settled = await reopened(store, tmp_path, log.machine_id) if new_process else log
    await settled.settle()
    assert [entry.point for entry in settled.state.points] == [point]
    assert settled.head.seq == 3
    assert not attempt_of(log, tmp_path).exists()
    # What arrives now finds its own twin.
    assert {creation.value for creation in await store.land_late()} <= {"exists"}
    await settled.refresh()
    assert settled.head.seq == 3


async def test_the_next_append_settles_by_itself(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    store.plan(Fault(Action.LATE, "create", RECORDS, times=-1))
    first, second = a_point(), a_point()
    with pytest.raises(InDoubt):
        await log.append(first)
    store.plan()
    await store.land_late()
    assert (await log.append(second)).seq == 4
    assert [entry.point for entry in log.state.points] == [first, second]


@pytest.mark.parametrize("landed", [True, False])
async def test_a_late_write_and_another_writer(vault: Vault, store: FaultyStore, tmp_path: Path, landed: bool) -> None:
    """Our attempt times out, somebody else appends: it is one record or the other, whichever came first, and never two of ours."""
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    store.plan(Fault(Action.LATE, "create", RECORDS, times=-1))
    with pytest.raises(InDoubt):
        await ours.append(kinds.Note(text="ours"))
    store.plan()
    if landed:
        await store.land_late()
    hold = kinds.Hold(id=b"h" * 16, point=b"p" * 16, reason="theirs")
    record = await theirs.append(hold)
    assert record.seq == (4 if landed else 3)
    if not landed:
        assert [creation.value for creation in await store.land_late()] == ["exists"] * QUICK.attempts
    await ours.settle()
    assert ours.head.seq == (4 if landed else 3)
    assert ours.state.holds == (hold,)
    await ours.append(NOTE)
    fresh = await reopened(store, tmp_path, ours.machine_id, "third")
    assert fresh.state == ours.state


async def test_a_lost_append_is_rebased(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    await theirs.append(kinds.Hold(id=b"h" * 16, point=b"p" * 16, reason="an operator's"))
    await theirs.append(NOTE)
    point = a_point()
    assert (await ours.append(point)).seq == 5
    assert (await theirs.append(NOTE)).seq == 6
    assert ours.state.holds[0].reason == "an operator's"
    await ours.refresh()
    assert ours.state == theirs.state


async def test_the_newer_claim_wins(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    await ours.append(a_point(b"1" * 16))
    await theirs.claim("site-a")
    with pytest.raises(SecondWriter, match="record 4"):
        await ours.append(a_point(b"2" * 16))
    await theirs.append(a_point(b"3" * 16))
    with pytest.raises(SecondWriter):
        await ours.append(a_point(b"4" * 16))
    await theirs.append(a_point(b"5" * 16))
    assert [entry.point.id[:1] for entry in theirs.state.points] == [b"1", b"3", b"5"]
    assert theirs.state.void == ()
    # Claiming again is a decision, and then it is the other's turn to find out.
    await ours.claim("site-a")
    await ours.append(a_point(b"6" * 16))
    with pytest.raises(SecondWriter):
        await theirs.append(a_point(b"7" * 16))


async def test_a_higher_epoch_fences(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    await ours.append(a_point(b"1" * 16))
    await theirs.append(kinds.Failover(epoch=2, site="site-b"))
    with pytest.raises(Fenced, match="epoch 2: site 'site-b'"):
        await ours.append(a_point(b"2" * 16))
    await theirs.claim("site-b")
    await theirs.append(a_point(b"3" * 16))
    for again in (
        ours.append(a_point(b"4" * 16)),
        ours.claim("site-a"),
    ):
        with pytest.raises(Fenced):
            await again
    with pytest.raises(Fenced, match="another failover"):
        await ours.append(kinds.Failover(epoch=2, site="site-a"))
    # What does not need to be the primary's goes on.
    await ours.append(kinds.Hold(id=b"h" * 16, point=b"1" * 16, reason="drill"))
    await theirs.append(a_point(b"5" * 16))
    assert [entry.point.id[:1] for entry in theirs.state.points] == [b"1", b"3", b"5"]
    # A failback: the first site again, in an epoch of its own.
    await ours.refresh()
    await ours.append(kinds.Failover(epoch=3, site="site-a"))
    await ours.claim("site-a")
    await ours.append(a_point(b"6" * 16))
    with pytest.raises(Fenced):
        await theirs.append(a_point(b"7" * 16))
    assert ours.state.void == ()


@pytest.mark.parametrize("action", [Action.FAIL_AFTER, Action.LATE])
async def test_fenced_while_in_doubt(vault: Vault, store: FaultyStore, tmp_path: Path, action: Action) -> None:
    """The point in doubt is in the log or it is not; what comes after it is refused either way."""
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    store.plan(Fault(action, "create", RECORDS, times=-1), Fault(Action.FAIL_BEFORE, "get", RECORDS, times=-1))
    with pytest.raises(InDoubt):
        await ours.append(a_point(b"1" * 16))
    store.plan()
    await theirs.refresh()
    await theirs.append(kinds.Failover(epoch=2, site="site-b"))
    await store.land_late()
    with pytest.raises(Fenced):
        await ours.append(a_point(b"2" * 16))
    await ours.settle()
    assert [entry.point.id[:1] for entry in ours.state.points] == ([b"1"] if action is Action.FAIL_AFTER else [])
    assert ours.state.epoch == 2
    assert not ours.in_doubt


async def test_two_failovers_at_once(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    ours, theirs = await two_sites(store, vault, tmp_path)
    outcomes = await asyncio.gather(
        ours.append(kinds.Failover(epoch=2, site="site-a")), theirs.append(kinds.Failover(epoch=2, site="site-b")), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Fenced", "Record"]
    await ours.refresh()
    assert ours.state.epoch == 2
    assert ours.state.void == ()


async def test_a_point_needs_a_claim(vault: Vault) -> None:
    log = await vault.protect("web", "site-a")
    with pytest.raises(Conflict, match="needs a claim"):
        await log.append(a_point())


async def test_a_refusal_is_final_only_if_nothing_was_tried_before(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    store.plan(Fault(Action.REFUSE, "create", RECORDS))
    with pytest.raises(StoreRefused):
        await log.append(NOTE)
    assert not log.in_doubt
    store.plan(Fault(Action.LATE, "create", RECORDS), Fault(Action.REFUSE, "create", RECORDS, times=-1))
    with pytest.raises(InDoubt):
        await log.append(NOTE)
    assert log.in_doubt
    await store.land_late()
    store.plan()
    await log.settle()
    assert log.head.seq == 3


async def test_a_store_that_cannot_be_read_after_a_lost_append(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    ours, theirs = await two_sites(store, vault, tmp_path)
    await ours.claim("site-a")
    await theirs.append(NOTE)
    await theirs.append(NOTE)
    store.plan(Fault(Action.FAIL_BEFORE, "list", times=-1))
    with pytest.raises(StoreUnavailable):
        await ours.append(NOTE)
    store.plan()
    await ours.append(NOTE)
    await theirs.refresh()
    assert theirs.head.seq == 5


async def test_a_store_that_lies(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    """It says EXISTS, shows other bytes, and lists nothing: no endless loop."""
    name = tmp_path / "vault" / names.record(names.machine(log.machine_id), 3)

    def appear(call: Call) -> None:
        if call.op == "list":
            name.unlink(missing_ok=True)
        elif call.op == "create" and not name.exists():
            name.write_bytes(b"nobody's")

    store.before = appear
    with pytest.raises(IntegrityError, match="does not list it"):
        await log.append(NOTE)


async def test_a_cancelled_append_is_settled(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    for turn in range(12):
        task = asyncio.create_task(log.append(kinds.Note(text=str(turn))))
        await asyncio.sleep(0.0005 * turn)
        task.cancel()
        await asyncio.wait([task])
    await log.settle()
    assert not log.in_doubt
    await log.append(NOTE)
    fresh = await reopened(store, tmp_path, log.machine_id, "elsewhere")
    assert fresh.state == log.state
    assert fresh.head == log.head


async def test_many_tasks_append_to_one_log(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    await asyncio.gather(*(log.append(kinds.Note(text=str(number))) for number in range(20)), log.refresh(), log.refresh())
    assert log.head.seq == 22
    assert (await reopened(store, tmp_path, log.machine_id)).head == log.head


async def test_a_protect_in_doubt_is_not_repeated(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    store.plan(Fault(Action.LATE, "create", RECORDS, times=-1))
    with pytest.raises(InDoubt):
        await vault.protect("web", "site-a")
    store.plan()
    again = await Vault.open(store, UNLOCK, tmp_path / "state", patience=QUICK)
    with pytest.raises(Conflict, match="protected already"):
        await again.protect("web", "site-a")
    await store.land_late()
    assert [state.name for state in await again.machines()] == ["web"]


async def test_a_record_gone_since_it_was_read(log: MachineLog, store: FaultyStore, tmp_path: Path) -> None:
    """Nothing is appended after a gap."""
    (tmp_path / "vault" / names.record(names.machine(log.machine_id), 2)).unlink()
    with pytest.raises(IntegrityError, match="seen record 2"):
        await log.append(NOTE)
    with pytest.raises(IntegrityError, match="seen record 2"):
        await log.refresh()
