"""What looks at the machines of this host again and again."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from understudy import engine, serving
from understudy.daemon.runs_here import RunsHere
from understudy.daemon.sentinel import Sentinel


async def test_a_fault_of_its_own_is_heard_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    anything = cast(Any, SimpleNamespace(site=SimpleNamespace(state=tmp_path), fault=lambda words, error: told.append(words)))
    sentinel = Sentinel(anything, anything, anything, anything, anything)

    async def broken() -> None:
        raise RuntimeError("this cannot be")

    for _ in range(2):
        sentinel._begin("web", broken())
        await asyncio.sleep(0.01)
    assert told == ["a look at what runs here broke: RuntimeError: this cannot be"]
    await sentinel.stop()


async def test_a_run_that_cannot_be_read_is_named_in_the_health(tmp_path: Path) -> None:
    record = tmp_path / "replicas" / "0123456789ab-7" / "replica.json"
    record.parent.mkdir(parents=True)
    record.write_text("{")
    replicas = serving.open_replicas(engine.Connection(vault="file:///nowhere", state_dir=str(tmp_path), site="here"), [])
    runs = RunsHere(cast(Any, None), replicas, cast(Any, None))
    assert f"run 0123456789ab-7: {record} is not what was written" in await runs.look(())
    (reason,) = runs.reasons
    assert (reason.code, reason.health, str(record.parent) in reason.hint) == ("unread", "critical", True)
    assert record.read_text() == "{"
