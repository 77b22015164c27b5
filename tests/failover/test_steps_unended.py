"""What was decided and came to nothing: nothing is left of it, and whoever says something else is told what is in the way."""

from pathlib import Path
from typing import Any

import pytest

from tests.failover.steps_world import DEFINITION, SiteB, begun, cancel, change, commit, fail_over
from understudy.errors import Conflict, TargetFailed
from understudy.failover.site import Prepared
from understudy.failover.steps import Steps
from understudy.hypervisor.protocol import Addresses
from understudy.vault import kinds


def _isos(root: Path) -> list[str]:
    return [path.name[:5] for path in root.rglob("*.iso")]


async def _no(*_: Any) -> None:
    raise TargetFailed("it does not")


async def test_nothing_is_left_of_what_a_guest_would_have_been_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepared(*_: Any) -> Prepared:
        return Prepared(DEFINITION, addresses={"52:54:00:00:00:01": Addresses(addresses=("10.0.0.2/24",))})

    async with begun(tmp_path, monkeypatch) as world:
        with monkeypatch.context() as patch:
            patch.setattr(SiteB, "prepare", prepared)
            patch.setattr(Steps, "recorded", _no)
            with pytest.raises(TargetFailed):
                await world.say(fail_over("unplanned"), 0)
        assert _isos(tmp_path) == ["seed-"]
        await world.say(cancel, 0)
        assert _isos(tmp_path) == []


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        (change("01" * 16), "say it again to go on, or take the whole failover back: understudy failover cancel web"),
        (cancel, "say it again to go on"),
    ],
)
async def test_what_was_decided_is_in_the_way_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: Any, hint: str) -> None:
    async def looked(site: Any) -> None:
        vault, log = await site.log_of("web")
        steps = Steps(site, vault, log, site.site.directory(vault.id, log.machine_id), lambda _: None)
        assert steps.is_unended(await steps.deed())

    async with begun(tmp_path, monkeypatch) as world:
        await world.say(fail_over("unplanned"), 0)
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "recorded", _no)
            with pytest.raises(TargetFailed):
                await world.say(operation, 0)
        await world.say(looked, 0)
        with pytest.raises(Conflict) as caught:
            await world.say(commit, 0)
        assert caught.value.hint == hint


async def test_it_does_not_go_back_to_where_nothing_of_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site before had it by a failover that nobody replicated from: its run was ended there when the machine was taken."""
    async with begun(tmp_path, monkeypatch) as world:
        log = world.primary.log
        await log.append(kinds.Failover(epoch=2, site="c", point=b"\2" * 16, mode="unplanned", id=b"c" * 16))
        await world.say(fail_over("unplanned"), 0)
        with pytest.raises(Conflict, match="nothing is left at 'c'"):
            await world.say(cancel, 0)
        await world.say(commit, 0)
        await log.refresh()
        assert (log.state.site, bool(world.host.alive)) == ("b", True)
