"""Who may listen at a QMP socket."""

import asyncio

import pytest

from understudy.errors import SourceUnavailable
from understudy.qemu.session import QmpSession


async def test_a_session_of_another_protocol(tmp_path, short_directory):
    async def talk(reader, writer) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    path = f"{short_directory}/mail"
    async with await asyncio.start_unix_server(talk, path):
        with pytest.raises(SourceUnavailable, match="does not speak QMP"):
            await QmpSession.connect(path)


async def test_what_was_meant_for_the_client_before(short_directory):
    """Right after a client ended, QEMU may say something else than the answer to the handshake."""
    greeting = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}\r\n'
    event = b'{"event": "JOB_STATUS_CHANGE", "data": {"id": "j", "status": "null"}, "timestamp": {"seconds": 1, "microseconds": 1}}\r\n'
    clients = 0

    async def talk(reader, writer) -> None:
        nonlocal clients
        clients += 1
        writer.write(greeting)
        await reader.read(1000)
        writer.write(event if clients < 3 else b'{"return": {}}\r\n')
        await reader.read()
        writer.close()

    path = f"{short_directory}/qmp"
    async with await asyncio.start_unix_server(talk, path):
        session = await QmpSession.connect(path)
        assert session.version == (7, 2, 0)
        await session.close()
    assert clients == 3
