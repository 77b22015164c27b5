"""A machine that was failed over to here and stands still, since its disk was full, goes on by itself; but never where it is not to run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from understudy.daemon.standing_down import StandingDown
from understudy.daemon.track import Track
from understudy.engine import QemuSource, ReplicationPolicy
from understudy.failover.duty import Duty, Nothing, StandDown
from understudy.hypervisor import protocol
from understudy.hypervisor.protocol import Status
from understudy.local.machine_file import write_source
from understudy.replica.values import State

RUN = "0123456789ab-2"
ELSEWHERE = StandDown(3, "there", "unplanned", orderly=False, over=False)


@pytest.mark.parametrize(
    ("duty", "paused", "let_go"), [(Nothing(), "", [RUN]), (ELSEWHERE, "", []), (Nothing(), "qmp", [])], ids=["ours", "theirs", "cut off"]
)
async def test_it_is_let_go_on_as_long_as_it_is_to_run_here(tmp_path: Path, duty: Duty, paused: str, let_go: list[str]) -> None:
    order: list[str] = []
    write_source(tmp_path, QemuSource(qmp=str(tmp_path / RUN / "qmp")))

    async def state(run: str) -> State:
        return State(protocol.State(Status.STORAGE_ERROR, "one of its disks failed or is full", 1), ())

    async def resume(run: str) -> None:
        order.append(run)

    async def now(machine: str) -> tuple[None, None, Duty]:
        return None, None, duty

    @asynccontextmanager
    async def aside(machine: str) -> AsyncIterator[None]:
        order.append("aside")
        yield

    parts = (
        SimpleNamespace(site=SimpleNamespace(directory=lambda *_: tmp_path)),
        SimpleNamespace(aside=aside),
        SimpleNamespace(state=state, resume=resume, sockets=lambda run: (tmp_path / run / "qmp", None)),
        SimpleNamespace(paused=lambda _: paused),
        SimpleNamespace(now=now),
    )
    looks = StandingDown(*cast(Any, parts), lambda track, reason: order.append(reason.code if reason else ""))
    reason = await looks.stopped(Track("m", ReplicationPolicy()), cast(Any, SimpleNamespace(id="v")))
    assert reason is not None
    assert (reason.code, reason.health) == ("starved", "critical")
    # Nobody freezes it meanwhile.
    assert order == ["starved", "aside", *let_go]
