import asyncio
import json
import sys
from typing import Any

import pytest

from understudy.demo.command import Command, Follower, failure_of
from understudy.errors import NotFound, RolledBack, SourceUnavailable, UnderstudyError


def said(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "so it is", "hint": "do this", "retryable": False, "exit_code": 3}}).encode()


def test_a_failure_keeps_its_kind():
    failure = failure_of(("points", "demo"), b'{"event": "cycle"}\n' + said("rolled_back") + b"\n", b"")
    assert isinstance(failure, RolledBack)
    assert (failure.message, failure.hint) == ("understudy points: so it is", "do this")
    assert type(failure_of(("points",), said("unheard_of"), b"")) is UnderstudyError


def test_a_failure_without_words_shows_what_was_on_stderr():
    assert "the end" in failure_of(("points",), b"", b"Traceback\nthe end\n").message
    assert "said nothing" in failure_of(("points",), b"", b"").message


async def test_the_real_command_is_asked_and_its_errors_come_back(tmp_path):
    told: list[str] = []
    settings = {
        "UNDERSTUDY_VAULT": f"file://{tmp_path}/none",
        "UNDERSTUDY_KEY_FILE": str(tmp_path / "key"),
        "UNDERSTUDY_STATE_DIR": str(tmp_path),
    }
    command = Command(settings, told.append)
    with pytest.raises(UnderstudyError, match="understudy points:"):
        await command.ask("points", "demo", answer=dict[str, Any])
    assert told == ["understudy points demo"]


async def start(program: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=pipe, stderr=pipe)


async def test_lines_are_taken_as_they_come():
    seen: list[dict[str, Any]] = []
    stop = asyncio.Event()

    def take(document: dict[str, Any]) -> None:
        seen.append(document)
        stop.set()

    program = 'import time; print(\'{"event": "cycle"}\', flush=True); time.sleep(60)'
    async with Follower(await start(program), take) as follower:
        await follower.watch(stop)
    assert seen == [{"event": "cycle"}]


async def test_an_early_end_is_an_error():
    async with Follower(await start(f"print({said('not_found').decode()!r}); raise SystemExit(3)"), lambda _: None) as follower:
        with pytest.raises(NotFound, match="so it is"):
            await follower.watch(asyncio.Event())


async def test_what_is_not_json_is_an_error():
    with pytest.raises(SourceUnavailable, match="not JSON"):
        async with Follower(await start("print('hello')"), lambda _: None) as follower:
            await follower.watch(asyncio.Event())
