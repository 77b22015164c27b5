"""Programs of the operator's around a freeze."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.waiting import until
from understudy.errors import InvalidRequest
from understudy.source.hooks import Occasion, checked, run_hook

PRE = Occasion("ab" * 16, "web", "cd" * 16, "pre")


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    return tmp_path / "hook"


def says(hook: Path, script: str) -> None:
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


async def test_it_is_told_what_it_is_for(hook, tmp_path):
    said = tmp_path / "said"
    says(hook, f'echo "$UNDERSTUDY_MACHINE $UNDERSTUDY_MACHINE_NAME $UNDERSTUDY_POINT $UNDERSTUDY_PHASE $UNDERSTUDY_OUTCOME" > {said}')
    assert await run_hook(hook, Occasion("ab" * 16, "web", "cd" * 16, "post", "app")) == ""
    assert said.read_text() == f"{'ab' * 16} web {'cd' * 16} post app\n"


async def test_its_failure_is_told_with_its_last_words(hook):
    says(hook, "seq 1 10000; printf 'no\\033[31m\\n\\n way' >&2; exit 7")
    why = await run_hook(hook, PRE)
    assert why.startswith(f"the pre-hook {hook} ended with status 7: ")
    assert why.endswith("10000 no?[31m way")
    assert len(why) < 1000
    says(hook, "kill -9 $$")
    assert await run_hook(hook, PRE) == f"the pre-hook {hook} ended with signal 9"


async def test_what_it_says_does_not_fill_the_file_system(hook):
    blocks = "$(stat -L -c %b /proc/self/fd/2)"
    says(hook, f'head -c 4000000 /dev/zero >&2; while [ {blocks} -gt 1000 ]; do sleep 0.05; done; echo "some are left" >&2; exit 7')
    assert (await run_hook(hook, PRE)).endswith("ended with status 7: some are left")


async def test_it_has_so_much_time_and_what_it_started_too(hook, tmp_path):
    says(hook, f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    assert await run_hook(hook, PRE, patience=1.0) == f"the pre-hook {hook} took more than 1 s"
    await gone(tmp_path)


async def test_cancelled_it_is_killed(hook, tmp_path):
    says(hook, f"sleep 1000 & echo $! > {tmp_path}/staged; mv {tmp_path}/staged {tmp_path}/child; wait")
    task = asyncio.ensure_future(run_hook(hook, PRE))
    await until((tmp_path / "child").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(tmp_path)


async def gone(directory: Path) -> None:
    """The child is dead: a zombie at most, until its new parent reaps it."""
    stat = Path("/proc") / (directory / "child").read_text().strip() / "stat"

    def dead() -> bool:
        try:
            return stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    await until(dead)


async def test_what_it_leaves_running_is_not_waited_for(hook, tmp_path):
    says(hook, f"sleep 1000 & echo $! > {tmp_path}/child")
    assert await run_hook(hook, PRE) == ""
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_what_cannot_be_run(hook):
    assert await run_hook(hook, PRE) == f"the pre-hook {hook} could not be run: No such file or directory"
    for bad in (hook, Path("relative"), Path("/" + "long" * 100)):
        with pytest.raises(InvalidRequest):
            checked(bad)
    says(hook, "")
    checked(hook)
    hook.chmod(0o644)
    with pytest.raises(InvalidRequest, match="cannot be run"):
        checked(hook)
