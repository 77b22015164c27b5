"""What a guest may say. The real agent is in tests/live; here speaks one that is slow, confused or hostile."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from understudy.errors import SourceRefused
from understudy.qemu.agent import AgentGone, AgentRefused, AgentSilent, GuestAgent
from understudy.qemu.agent_freeze import AgentFreeze, words

LONG = 60.0
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(directory: Path, talk: Talk) -> AsyncIterator[str]:
    path = f"{directory}/qga"

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            await reader.read()
        except OSError:
            return
        finally:
            writer.close()

    async with await asyncio.start_unix_server(once, path):
        yield path


def answering(answer: Callable[[str], bytes | None], heard: list[str] | None = None) -> Talk:
    """An agent whose answer to each command is this; None: it says nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.startswith(b"\xff"):
                writer.write(b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n')
            asked = json.loads(line.lstrip(b"\xff"))
            command = asked["execute"]
            if command == "guest-sync-delimited":
                said = b'\xff{"return": %d}\n' % asked["arguments"]["id"]
            elif command == "guest-sync":
                said = b'{"return": %d}\n' % asked["arguments"]["id"]
            else:
                if heard is not None:
                    heard.append(command)
                found = answer(command)
                if found is None:
                    return
                said = found + b"\n"
            writer.write(said)

    return talk


async def test_answers_to_others_are_skipped(short_directory):
    stale = b'{"return": 1}\n{"return": 5}\n\xff{"return": 17}\n{"return": "frozen"}\n'

    async def talk(reader, writer):
        writer.write(stale)
        await answering(lambda command: b'{"return": "thawed"}')(reader, writer)

    async with listening(short_directory, talk) as path:
        agent = GuestAgent.connect(path)
        for _ in range(3):
            assert not await agent.frozen(LONG)
        agent.close()


async def test_a_refusal(short_directory):
    async with listening(short_directory, answering(lambda _: b'{"error": {"class": "GenericError", "desc": "it is disabled"}}')) as path:
        agent = GuestAgent.connect(path)
        with pytest.raises(AgentRefused, match="'guest-ping': it is disabled"):
            await agent.execute("guest-ping", LONG)
        agent.close()


async def test_silence_and_a_late_answer(short_directory):
    ready = asyncio.Event()

    async def talk(reader, writer):
        await ready.wait()
        await answering(lambda command: json.dumps({"return": command}).encode())(reader, writer)

    async with listening(short_directory, talk) as path:
        agent = GuestAgent.connect(path)
        with pytest.raises(AgentSilent, match=r"'first' within 0.1 s"):
            await agent.execute("first", 0.1)
        ready.set()
        assert await agent.execute("second", LONG) == "second"
        agent.close()


@pytest.mark.parametrize("said", [b"220 mail ESMTP\n" * 3, b"\xff[]\n", b"\xffnull\n", b"x" * (3 << 20), b"\xff\xff\n"])
async def test_nonsense(short_directory, said):
    async def talk(reader, writer):
        writer.write(said)
        await writer.drain()

    async with listening(short_directory, talk) as path:
        agent = GuestAgent.connect(path)
        with pytest.raises((SourceRefused, AgentSilent)):
            await agent.execute("guest-ping", 0.5)
        agent.close()


async def test_nobody_is_there(short_directory):
    with pytest.raises(AgentGone, match="No such file"):
        GuestAgent.connect(f"{short_directory}/none")

    async def talk(reader, writer):
        writer.close()

    async with listening(short_directory, talk) as path:
        agent = GuestAgent.connect(path)
        with pytest.raises(AgentGone):
            await agent.execute("guest-ping", LONG)
        agent.close()


@pytest.mark.parametrize(
    ("freeze", "why"),
    [
        (b'{"return": 0}', "found no file system"),
        (b'{"return": "many"}', "found no file system"),
        (b'{"error": {"desc": "disabled\\u001b[2J"}}', r"refused 'guest-fsfreeze-freeze': disabled\?\[2J"),
        (b'{"error": []}', "no reason given"),
        (b"{}", "no reason given"),
    ],
)
async def test_a_freeze_that_is_none_is_thawed_all_the_same(short_directory, freeze, why):
    heard: list[str] = []
    said = {"guest-fsfreeze-status": b'{"return": "thawed"}', "guest-fsfreeze-freeze": freeze, "guest-fsfreeze-thaw": b'{"return": 0}'}
    async with listening(short_directory, answering(said.__getitem__, heard)) as path:
        guest = AgentFreeze(answer=LONG)
        told = await guest.begin(Path(path))
        await guest.thaw(LONG)
        assert not guest.owed
        guest.close()
    assert re.search(why, told), told
    assert heard == ["guest-fsfreeze-status", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw", "guest-fsfreeze-status"]


async def test_a_thaw_that_is_not_answered_is_owed_until_it_is(short_directory):
    awake, frozen = asyncio.Event(), False
    heard: list[str] = []

    async def talk(reader, writer):
        def answer(command: str) -> bytes | None:
            nonlocal frozen
            if command == "guest-fsfreeze-status":
                return b'{"return": "frozen"}' if frozen else b'{"return": "thawed"}'
            frozen = command == "guest-fsfreeze-freeze"
            return None if frozen else b'{"return": 1}'

        await answering(answer, heard)(reader, writer)
        await awake.wait()
        writer.write(b'{"return": 1}\n')
        await answering(answer, heard)(reader, writer)

    async with listening(short_directory, talk) as path:
        guest = AgentFreeze(limit=0.5, answer=LONG)
        assert "did not answer 'guest-fsfreeze-freeze'" in await guest.begin(Path(path))
        assert await guest.thaw(0.1) > 0
        assert guest.owed
        awake.set()
        async with asyncio.timeout(LONG):
            while guest.owed:
                await guest.thaw(1.0)
        assert not frozen
        guest.close()


async def test_what_is_owed_when_we_end_is_left_with_the_lifeline(short_directory):
    heard: list[str] = []
    thawed = asyncio.Event()

    def answer(command: str) -> bytes:
        if command == "guest-fsfreeze-thaw":
            thawed.set()
        return b'{"return": "thawed"}' if command == "guest-fsfreeze-status" else b'{"return": 1}'

    async with listening(short_directory, answering(answer, heard)) as path:
        guest = AgentFreeze(limit=LONG, answer=LONG)
        assert await guest.begin(Path(path)) == ""
        assert "guest-fsfreeze-thaw" not in heard
        guest.close()
        async with asyncio.timeout(LONG):
            await thawed.wait()


def test_words_fit_for_a_record():
    assert words("a\nb\x1b[31m\x9f é") == "a?b?[31m? é"
    assert len(words("x" * 10_000)) == 500
