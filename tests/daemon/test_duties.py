"""What a site has to do whatever of what it remembers is damaged."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.failover.test_duty import LOST, TAKEN, Said, state_of
from tests.vault.test_fold import B
from understudy.daemon.duties import Duties
from understudy.errors import StateFailed
from understudy.failover import deed as deeds
from understudy.failover.duty import StandDown
from understudy.failover.stopped_file import NAME as STOPPED
from understudy.local.site import Site
from understudy.vault import names
from understudy.vault.memory import Memory

VAULT = "cd" * 16


def damaged(site: Site, machine: str, what: str) -> None:
    directory = site.directory(VAULT, machine)
    claims = Memory.of(site.state, VAULT).claims(names.machine(machine))
    path = {"deed": directory / deeds.NAME, "stopped": directory / STOPPED, "claims": claims}[what]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff{")


@pytest.mark.parametrize(("what", "heard"), [("deed", False), ("stopped", True), ("claims", True)])
@pytest.mark.parametrize("said", [TAKEN, ((1, B, LOST),)])
async def test_a_machine_that_another_site_has_is_stopped_here(tmp_path: Path, said: Said, what: str, heard: bool) -> None:
    """And who looks is told what is damaged, as far as it matters."""
    site, state = Site("here", tmp_path), state_of(said)
    duties = Duties(cast(Any, SimpleNamespace(site=site)))
    vault, log = cast(Any, SimpleNamespace(id=VAULT)), cast(Any, SimpleNamespace(state=state))
    damaged(site, state.id, what)
    duty = await duties.of(vault, log)
    assert isinstance(duty, StandDown)
    assert (duty.site, duty.former) == ("there", what == "deed" and duty.former)
    if heard:
        with pytest.raises(StateFailed):
            duties.must_be_known(state.id)
    else:
        duties.must_be_known(state.id)


@pytest.mark.parametrize("what", ["deed", "stopped", "claims"])
async def test_where_it_may_be_here_nothing_is_guessed(tmp_path: Path, what: str) -> None:
    site, state = Site("here", tmp_path), state_of(())
    duties = Duties(cast(Any, SimpleNamespace(site=site)))
    damaged(site, state.id, what)
    with pytest.raises(StateFailed):
        await duties.of(cast(Any, SimpleNamespace(id=VAULT)), cast(Any, SimpleNamespace(state=state)))
