"""A test failover whose process, guest, export or vault goes away at each of its steps: it goes on, or is cleaned up, and counts once."""

import os
import signal

import pytest

from tests.failover.drill.site import Order, Site, killed, unseen
from tests.forks import ended
from understudy import app
from understudy.engine import CleanUpDrill, RunningCheck, StartDrill
from understudy.errors import StoreUnavailable
from understudy.hypervisor.protocol import Status

ONE = "1" * 32
RUN = f"drill-{ONE}"
BRIEF = (RunningCheck(seconds=0.1),)
STEPS = ["choose", "export", "start", "check", "evidence", "remove", "record"]


async def killed_at(site: Site, kit, phase: str, **what: object) -> None:
    order = Order(root=str(site.root), kernels=str(kit.kernel.parent), id=ONE, phase=phase, **what)  # type: ignore[arg-type]
    assert await ended(killed, order) == -signal.SIGKILL


async def drills_of(site: Site) -> list[str]:
    """As the vault tells."""
    return [drill.outcome for drill in (await site.ground.log_of("web"))[1].state.drills]


@pytest.mark.parametrize("phase", STEPS)
async def test_said_again_it_goes_on(site: Site, kit, phase: str) -> None:
    await site.protect(kit)
    await site.point(b"1")
    request = StartDrill(machine="web", checks=BRIEF, cleanup=True)
    await killed_at(site, kit, phase, start=request)
    decided = site.files.read(ONE)
    assert (decided is None) == (phase == "choose")
    assert await drills_of(site) == []
    done = await site.drills().start(request, ONE, unseen)
    assert (done.state, done.outcome) == ("cleaned", "passed")
    if decided is not None:
        # Nothing of it was decided twice.
        assert (done.definition, done.asked_at) == (decided.drill.definition, decided.drill.asked_at)
    await site.nothing_is_left()
    assert await drills_of(site) == ["passed"]
    assert len(site.files.all()) == 1
    # The machine's other points and records are as they were: those of protection, the point, its hold and that, lifted, and the test.
    _, log = await site.ground.log_of("web")
    assert log.state.void == ()
    assert len(log.state.points) == 1


@pytest.mark.parametrize(("phase", "counts"), [("export", []), ("check", []), ("record", ["passed"])])
async def test_or_it_is_cleaned_up(site: Site, kit, phase: str, counts: list[str]) -> None:
    """What came to no outcome does not count."""
    await site.protect(kit)
    await site.point(b"1")
    if phase in ("remove", "record"):
        await site.drills().start(StartDrill(machine="web", checks=BRIEF), ONE, unseen)
        await killed_at(site, kit, phase, clean_up=CleanUpDrill(machine="web"))
    else:
        await killed_at(site, kit, phase, start=StartDrill(machine="web", checks=BRIEF))
    done = await site.drills().clean_up(CleanUpDrill(machine="web"), unseen)
    assert done.state == "cleaned"
    await site.nothing_is_left()
    assert await drills_of(site) == counts


async def test_a_guest_that_is_killed_while_it_is_looked_at(site: Site, kit) -> None:
    await site.protect(kit)
    await site.point(b"1")
    request = StartDrill(machine="web", checks=(RunningCheck(seconds=60),))
    await killed_at(site, kit, "check", start=request)
    state = await site.hypervisor.state(RUN)
    assert state.status is Status.RUNNING
    os.kill(state.process, signal.SIGKILL)
    await site.stage.until(RUN, lambda state: state.status is Status.CRASHED)
    done = await site.drills().start(request, ONE, unseen)
    assert (done.outcome, done.state) == ("failed", "standing")
    assert done.checks[0].words.startswith("the machine does not run: crashed")
    assert done.running_after is not None
    await site.drills().clean_up(CleanUpDrill(machine="web"), unseen)
    await site.nothing_is_left()
    assert await drills_of(site) == ["failed"]


async def test_an_export_and_a_vault_that_go_away(site: Site, kit) -> None:
    await site.protect(kit)
    await site.point(b"1")
    await site.drills().start(StartDrill(machine="web", checks=BRIEF), ONE, unseen)
    (export,) = app.exports(str(site.root / "s"))
    os.kill(export.pid, signal.SIGKILL)
    vault, away = site.root / "vault", site.root / "away"
    vault.rename(away)
    with pytest.raises(StoreUnavailable):
        await site.drills().clean_up(CleanUpDrill(machine="web", drill=ONE, passed=False, note="nobody could log in"), unseen)
    assert site.files.find(ONE).drill.state == "cleaning"
    away.rename(vault)
    # Whoever says it next need not say why again.
    done = await site.drills().clean_up(CleanUpDrill(machine="web"), unseen)
    assert (done.outcome, done.note) == ("failed", "nobody could log in")
    await site.nothing_is_left()
    assert await drills_of(site) == ["failed"]
