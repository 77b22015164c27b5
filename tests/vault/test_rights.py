"""The rights table, as the specification has it; and that readers go by it, whatever a writer's program does."""

from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point, bundle_of, forge
from understudy.errors import AccessDenied
from understudy.vault import kinds
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.kinds import BODIES, Body
from understudy.vault.log.rights import RIGHTS, Log, refusal
from understudy.vault.vault import Vault

SOURCE_MAY = {"protect", "claim", "point", "checkpoint", "definition", "intent", "note", "answer", "withdraw", "isolation", "stand-down"}
REPLIES = {"answer", "withdraw"}
"""Which count only after what they reply to."""
SETTINGS = {"genesis", "identity", "revoke", "plan", "plan-report", "promotion", "superseded", "note"}
SOURCE_KEY = KeyFile(b"s" * 32)


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_the_table(kind: str) -> None:
    assert kind in RIGHTS
    in_machine, in_settings = kind not in SETTINGS or kind == "note", kind in SETTINGS
    assert refusal(kind, Log.MACHINE, "operator") is not in_machine
    assert refusal(kind, Log.SETTINGS, "operator") is not in_settings
    assert refusal(kind, Log.MACHINE, "source") is not (in_machine and kind in SOURCE_MAY)
    assert refusal(kind, Log.SETTINGS, "source") is not (kind == "note")


def test_there_is_nothing_else_in_the_table() -> None:
    assert set(RIGHTS) == set(BODIES)


OBJECT = kinds.ObjectRef(hash=bytes(32), size=1)
EXAMPLES: dict[str, Body] = {
    "protect": kinds.Protect(name="other", site="x"),
    "claim": kinds.Claim(site="x"),
    "point": a_point(b"2" * 16),
    "checkpoint": kinds.Checkpoint(point=b"1" * 16, id=b"c" * 16, size=1, directory=(0, 1)),
    "definition": kinds.Definition(definition=kinds.ObjectRef(hash=bytes(32), size=1)),
    "note": kinds.Note(text="x"),
    "hold": kinds.Hold(id=b"h" * 16, point=b"1" * 16, reason="x"),
    "intent": kinds.Intent(id=b"i" * 16),
    "verified": kinds.Verified(point=b"1" * 16),
    "drill": kinds.Drill(id=b"d" * 16, point=b"1" * 16, site="here", began_at=1, seconds=2.5, outcome="passed"),
    "retention": kinds.Retention(least=2),
    "prune": kinds.Prune(points=(b"1" * 16,)),
    "repack": kinds.Repack(horizon=1, maps=OBJECT),
    "condemn": kinds.Condemn(objects=OBJECT, grace=0),
    "trim": kinds.Trim(up_to=1, hash=bytes(32), state=OBJECT),
    "failover": kinds.Failover(epoch=2, site="thief"),
    "commit": kinds.Commit(epoch=1),
    "request": kinds.Request(id=b"r" * 16, action="shutdown", site="x", by="thief"),
    "answer": kinds.Answer(id=b"r" * 16, outcome="done"),
    "withdraw": kinds.Withdraw(point=b"1" * 16),
    "isolation": kinds.Isolation(after=60),
    "stand-down": kinds.StandDown(site="x", epoch=1, running=False, text="x"),
    "genesis": kinds.Genesis(descriptor=bytes(32), root=bytes(32), name="thief", recovery_public=bytes(32), recovery_generation=1),
    "identity": kinds.Identity(public=b"k" * 32, role="operator", name="thief"),
    "revoke": kinds.Revoke(public=b"k" * 32),
    "promotion": kinds.Promotion(id=b"p" * 16, where="file:///thief"),
    "superseded": kinds.Superseded(promotion=b"p" * 16, where="file:///thief"),
    "plan": kinds.Plan(name="dr", text=OBJECT),
    "plan-report": kinds.PlanReport(run="r1", plan="dr", outcome="succeeded", report=OBJECT),
}


@pytest.fixture
async def source(vault: Vault, store: FaultyStore, tmp_path: Path) -> Vault:
    await vault.keys.add("source", "host-a", SOURCE_KEY)
    return await Vault.open(store, SOURCE_KEY, tmp_path / "source", patience=QUICK)


@pytest.mark.parametrize("kind", sorted(BODIES))
async def test_what_a_source_appends_beyond_its_rights(vault: Vault, source: Vault, kind: str) -> None:
    """Its own program refuses; and with a program that does not, the record is void for every reader."""
    theirs = await source.protect("web", "host-a")
    await theirs.claim("host-a")
    await theirs.append(a_point(b"1" * 16))
    assert theirs.state.void == ()
    if kind not in SOURCE_MAY:
        with pytest.raises(AccessDenied):
            await theirs.append(EXAMPLES[kind])
    before = (await vault.find("web")).state
    await forge(theirs, await bundle_of(source, SOURCE_KEY), EXAMPLES[kind], writer=theirs.writer, vault=source)
    for reader in (vault, source):
        state = (await reader.find("web")).state
        if kind in SOURCE_MAY - {"protect"} - REPLIES:
            assert state.void == ()
        else:
            assert [(void.seq, void.kind) for void in state.void] == [(4, kind)]
            assert (state.epoch, state.points, state.holds, state.site, state.name) == (1, before.points, (), "host-a", "web")
    if kind not in SOURCE_MAY:
        # The log goes on behind it.
        await theirs.append(kinds.Note(text="x"))


@pytest.mark.parametrize("kind", sorted(BODIES))
async def test_a_source_changes_no_settings(vault: Vault, source: Vault, kind: str) -> None:
    bundle = await bundle_of(source, SOURCE_KEY)
    settings = source._settings
    with pytest.raises(AccessDenied):
        await source.keys.add("operator", "thief", KeyFile(b"t" * 32))
    members = dict(vault.settings.members)
    await forge(settings, bundle, EXAMPLES[kind], epoch=0, vault=source)
    for credential in (UNLOCK, SOURCE_KEY):
        reader = await Vault.open(vault.store, credential, None)
        assert reader.settings.members == members
        assert (reader.settings.plans, reader.settings.reports) == ({}, {})
        assert len(reader.settings.void) == (kind != "note")


async def test_a_source_holds_nothing_that_decrypts_or_rules(vault: Vault, source: Vault) -> None:
    bundle, operator = await bundle_of(source, SOURCE_KEY), await bundle_of(vault, UNLOCK)
    assert bundle.recovery_private == ()
    assert dict(source.access.recovery_private) == {}
    assert (bundle.role, bundle.recovery_public, bundle.root) == ("source", operator.recovery_public, operator.public)
    assert bundle.seed != operator.seed
    assert dict(vault.access.recovery_private) != {}


async def test_a_signer_nobody_knows(vault: Vault) -> None:
    """The index key alone, without any key that the settings log names."""
    log = await vault.protect("web", "a")
    stranger = (await bundle_of(vault, UNLOCK)).sibling("operator", "stranger")
    await forge(log, stranger, kinds.Failover(epoch=2, site="thief"), vault=vault)
    await log.refresh()
    assert [void.reason for void in log.state.void] == ["its signer is unknown to this vault"]
    assert log.state.epoch == 1
