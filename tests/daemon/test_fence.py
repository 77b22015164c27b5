"""The command that makes sure that a primary does not run its machine: heard, and believed only if it ends well."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from understudy.daemon import failing_over
from understudy.daemon.failing_over import FailingOver
from understudy.errors import SourceUnavailable

LOG: Any = SimpleNamespace(state=SimpleNamespace(name="web", site="a"), machine_id="ab" * 16)


def site(*fence: str) -> FailingOver:
    nobody = cast(Any, None)
    return FailingOver(nobody, nobody, nobody, nobody, nobody, lambda: cast(Any, SimpleNamespace(failover=SimpleNamespace(fence=fence))))


async def test_none_is_given() -> None:
    assert await site().fence(LOG) == ""


async def test_it_is_told_of_whom_and_says_what_it_did() -> None:
    said = await site("/bin/sh", "-c", 'echo "$UNDERSTUDY_MACHINE $UNDERSTUDY_SITE is off"').fence(LOG)
    assert said == "the fence command answered for site 'a': web a is off"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/bin/sh", "-c", "echo no answer; exit 3"), "ended with status 3: no answer"),
        (("/bin/sh", "-c", "kill -9 $$"), "ended with signal 9"),
        (("/no/such/program",), "/no/such/program cannot be run"),
    ],
)
async def test_anything_else_is_no_fence(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(SourceUnavailable, match=words) as refused:
        await site(*command).fence(LOG)
    assert "--force" in refused.value.hint


async def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(failing_over, "FENCE_SECONDS", 0.5)
    with pytest.raises(SourceUnavailable, match="did not end within"):
        await site("/bin/sh", "-c", f"sleep 2; touch {tmp_path}/late").fence(LOG)
    assert not (tmp_path / "late").exists()
