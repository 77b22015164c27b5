"""Every failover, ended before and after each of its effects and said again by another run of the program, comes to its end: the machine is
started once under each epoch at most, and never by a site that is not its primary."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.failover.doubles import point_of
from tests.failover.steps_world import begun, cancel, change, commit, fail_over, reprotect
from understudy.failover.phase import STANDBY, phase_of


async def processed(site: Any) -> Any:
    done = await fail_over("unplanned", "latest-processed")(site)
    assert (done.point, [look.what for look in done.findings]) == (point_of(2), ["fence", "point", "standby"])
    return done


def with_standby(operation: Callable[[Any], Awaitable[Any]], *, broken: bool = False) -> Callable[[Any], Awaitable[Any]]:
    async def said(site: Any) -> Any:
        site.host.standby, site.host.broken = site.host.standby or 2, broken
        done = await operation(site)
        ((order, alive),) = [(site.host.runs[run], run) for run in site.host.alive]
        assert bool(order.below) != broken
        assert site.host.lent == ("" if broken else alive)
        assert [look.verdict for look in done.findings if look.what == "standby"] == ["warn" if broken else "pass"]

    return said


async def reprotected(site: Any) -> Any:
    await reprotect(site)
    _, log = await site.log_of("web")
    assert [(asked.action, asked.site) for asked in log.state.authority.requests if asked.action == STANDBY] == [(STANDBY, "a")]


LIVES: dict[str, tuple[list[Callable[[Any], Awaitable[Any]]], str, str]] = {
    "planned, from a standby": ([with_standby(fail_over("planned"))], "failed_over", "b"),
    "unplanned, from what a standby holds that is broken": ([with_standby(processed, broken=True)], "failed_over", "b"),
    "not what the standby holds": ([with_standby(processed), change("03" * 16)], "failed_over", "b"),
    "cancelled": ([fail_over("planned"), cancel], "protected", "a"),
    "committed": ([fail_over("planned"), commit], "committed", "b"),
    "reprotected": ([fail_over("unplanned"), commit, reprotected], "protected", "b"),
}


@pytest.mark.parametrize("life", LIVES)
async def test_ended_at_every_effect_of_its_last_operation(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, life: str
) -> None:
    said, phase, where = LIVES[life]
    *before, last = said
    for first in range(1, 100):
        async with begun(tmp_path_factory.mktemp("w"), monkeypatch) as world:
            for operation in before:
                await world.say(operation, 0)
            ended = await world.through(last, first)
            state = world.primary.log.state
            assert (phase_of(state), state.site) == (phase, where), first
            assert bool(world.host.alive) == (where == "b"), first
        if not ended:
            assert first > 4  # it has effects, and they were met
            return
    raise AssertionError("it never comes to its end")
