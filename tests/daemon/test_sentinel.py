"""What looks at the machines of this host again and again."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

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
