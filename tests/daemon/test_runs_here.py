"""What runs here since a failover of which this host has lost its memory is the machine, and is not ended for that."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.failover.test_duty import HERE, LOST, Said, state_of
from tests.vault.test_fold import B
from understudy.daemon.runs_here import RunsHere
from understudy.failover import deed as deeds
from understudy.hypervisor import protocol
from understudy.hypervisor.protocol import Status
from understudy.replica.values import Found, State


class Ended(Exception):
    """It was."""


def runs_here(directory: Path, said: Said, epoch: int) -> RunsHere:
    state = state_of(said)
    run = f"{state.id[:12]}-{epoch}"
    known = {run: (SimpleNamespace(track=True, machine=state.id), State(protocol.State(Status.RUNNING), ()))}

    async def find() -> Found:
        return Found(cast(Any, known), {})

    async def end(run: str, patience: object) -> None:
        raise Ended

    async def glanced(machine: str) -> Any:
        return SimpleNamespace(id="v"), SimpleNamespace(state=state)

    site = SimpleNamespace(name="here", directory=lambda *_: directory)
    replicas = SimpleNamespace(find=find, end=end, sockets=lambda run: (Path("/vms") / run / "qmp", None))
    return RunsHere(cast(Any, SimpleNamespace(site=site, glanced=glanced)), cast(Any, replicas), cast(Any, None))


async def test_it_runs_on_and_is_told_of(tmp_path: Path) -> None:
    runs = runs_here(tmp_path, ((1, B, HERE),), 2)
    assert await runs.look(()) == ""
    (reason,) = runs.reasons
    assert (reason.code, reason.health) == ("unread", "critical")
    assert reason.hint.endswith("-2/qmp --adopt")
    # Damaged, it is told of, too.
    (tmp_path / deeds.NAME).write_bytes(b"\xff{")
    assert "failover.json is not what was written" in await runs.look(())
    (reason,) = runs.reasons
    assert (reason.code, reason.health) == ("unread", "critical")


@pytest.mark.parametrize(("said", "epoch"), [(((1, B, HERE),), 1), (((1, B, LOST),), 2)], ids=["earlier", "elsewhere"])
async def test_what_is_not_the_machine_any_more_is_ended(tmp_path: Path, said: Said, epoch: int) -> None:
    with pytest.raises(Ended):
        await runs_here(tmp_path, said, epoch).look(())
