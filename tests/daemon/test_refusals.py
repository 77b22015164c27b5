"""Every operation in every phase, asked of a real daemon: what the table does not allow is refused in its words, and changes nothing."""

import asyncio
import secrets
from typing import Any, get_args

from tests.daemon.house import House
from tests.vault.worlds import a_point
from understudy.engine import FailoverOperation, FailoverPhase
from understudy.failover import deed as deeds
from understudy.failover.table import allowed
from understudy.local.claims import expect_claim
from understudy.local.site import Site
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

HERE, THERE = "here", "there"
POINT = b"p" * 16
ASKED: dict[FailoverOperation, tuple[str, Any]] = {
    "test": ("test-failover", {}),
    "planned": ("failover", {"mode": "planned"}),
    "unplanned": ("failover", {"mode": "unplanned"}),
    "start": ("failover/start", None),
    "change-point": ("failover/change-point", {"point": POINT.hex()}),
    "cancel": ("failover/cancel", None),
    "commit": ("failover/commit", None),
    "reprotect": ("reprotect", None),
}
PHASES: tuple[FailoverPhase, ...] = tuple(phase for phase in get_args(FailoverPhase) if phase != "unprotected")
"""A machine that nothing protects is in no vault."""


def test_all_operations_are_asked() -> None:
    assert set(ASKED) == set(get_args(FailoverOperation))


async def make(vault: Vault, phase: FailoverPhase, at: Site) -> None:
    """A machine whose log says that it is in this phase, with `at` for its primary."""
    name = f"{phase}-{at.name}"
    failed_over = phase in ("failed_over", "committed", "reprotecting")
    first = Site({HERE: THERE, THERE: HERE}[at.name], at.state) if failed_over else at
    log = await vault.protect(name, first.name)
    expect_claim(vault.id, log, first, adopt=True)
    await log.claim(first.name)
    if phase == "initial_replication":
        return
    await log.append(a_point(POINT))
    if phase == "failing_over":
        other = {HERE: THERE, THERE: HERE}[at.name]
        await log.append(kinds.Request(id=secrets.token_bytes(16), action="shutdown", site=at.name, by=other))
    if failed_over:
        await fail_over(vault, log, at, phase)


async def fail_over(vault: Vault, log: MachineLog, to: Site, phase: FailoverPhase) -> None:
    ids = {"id": secrets.token_hex(16), "wanted": POINT.hex(), "point": POINT.hex()}
    deed = deeds.Deed(**ids, mode="unplanned", asked_at=1, epoch=2, site=to.name, done=True)
    if to.name == HERE:
        directory = to.directory(vault.id, log.machine_id)
        directory.mkdir(parents=True, exist_ok=True)
        deeds.write(directory, deed)
    await log.append(kinds.Failover(epoch=2, site=to.name, point=POINT, mode="unplanned", id=bytes.fromhex(deed.id)))
    if phase != "failed_over":
        await log.append(kinds.Commit(epoch=2))
    if phase == "reprotecting":
        expect_claim(vault.id, log, to, adopt=True)
        await log.claim(to.name)


async def heads(house: House, *, made: bool = False) -> dict[str, int]:
    """The number of each machine's last record; with `made`, the machines are made first."""
    state, found = house.directory / "state", {}
    vault = await Vault.open(FileStore(house.host.vault), KeyFile.parse(house.host.key.read_text()), house.directory / "other")
    for phase in PHASES:
        for name in (HERE, THERE):
            if made:
                await make(vault, phase, Site(name, state if name == HERE else house.directory / "other"))
            found[f"{phase}-{name}"] = (await vault.find(f"{phase}-{name}")).head.seq
    await vault.close()
    return found


def refusal(house: House, machine: str, operation: FailoverOperation) -> Any:
    path, body = ASKED[operation]
    job = house.ask("POST", f"/v1/machines/{machine}/{path}", body)["id"]
    ended = house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{job}"))["state"] in ("succeeded", "failed") else None)
    assert ended["state"] == "failed", (machine, operation)
    return ended["error"]


def test_what_the_table_does_not_allow(house: House) -> None:
    before = asyncio.run(heads(house, made=True))
    house.start()
    for phase in PHASES:
        for site in (HERE, THERE):
            machine, primary = f"{phase}-{site}", site == HERE
            # There is nothing here that ran and could be started again.
            possible = tuple(one for one in allowed(phase, primary=primary) if one != "start")
            standing = house.ask("GET", f"/v1/machines/{machine}/failover")
            assert (standing["phase"], standing["primary"], tuple(standing["allowed"])) == (phase, primary, possible)
            for operation in set(ASKED) - set(allowed(phase, primary=primary)):
                error = refusal(house, machine, operation)
                assert error["code"] == "conflict", (machine, operation, error)
                assert f"({phase})" in error["message"], (operation, error)
                assert operation in error["message"]
                assert all(name in error["hint"] for name in possible), (machine, operation, error)
    assert asyncio.run(heads(house)) == before
