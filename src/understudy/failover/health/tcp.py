"""Whether something in the guest answers at a TCP port."""

import asyncio
import shutil
import sys
from contextlib import suppress

from understudy.engine import TcpCheck
from understudy.errors import Unsupported
from understudy.failover.health.subject import Found, NotYet, Subject, Unwell

ANSWERS = 10.0
"""Seconds for one attempt. QEMU's own network gives a guest that is silent 75, and closes the connection then."""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()"


async def answers(subject: Subject, check: TcpCheck) -> Found:
    forwarded = subject.forwards.get(check.port)
    if not check.address and forwarded is not None:
        return await _through_forward(forwarded)
    address = check.address or next(iter(subject.addresses), "")
    if not address:
        raise Unwell("no address of the guest is known, and no port leads to it: it has no network card, or its network has no forwards")
    if subject.namespace:
        await _in_namespace(subject.namespace, address, check.port)
    else:
        await _connected(address, check.port)
    return Found(f"{address}:{check.port} accepts connections")


async def _connected(address: str, port: int) -> None:
    try:
        async with asyncio.timeout(ANSWERS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        raise NotYet(f"{address}:{port} does not answer") from None
    except OSError as error:
        raise NotYet(f"{address}:{port}: {error.strerror or error}") from None
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _through_forward(port: int) -> Found:
    """QEMU accepts the connection before the guest does, and reads nothing from it until the guest has. So a line is sent, and the end of
    what is sent: of a guest that refused, it is found unread, and the connection is reset; a server answers, or closes in order."""
    where = f"127.0.0.1:{port}"
    try:
        async with asyncio.timeout(ANSWERS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"\r\n")
                await writer.drain()
                writer.write_eof()
                said = await reader.read(200)
            finally:
                writer.close()
    except TimeoutError:
        raise NotYet("nothing in the guest answers at this port") from None
    except ConnectionResetError:
        raise NotYet("the guest refuses connections at this port") from None
    except OSError as error:
        raise NotYet(f"{where}: {error.strerror or error}") from None
    return Found(f"it answered: {said.decode(errors='replace')}" if said else "it accepts connections")


async def _in_namespace(namespace: str, address: str, port: int) -> None:
    """By a process that is in the namespace: this one cannot go there and come back."""
    if shutil.which("ip") is None:
        raise Unsupported("there is no ip here", hint="apt-get install iproute2")
    words = ["ip", "netns", "exec", namespace, sys.executable, "-I", "-c", _CONNECT, address, str(port), str(ANSWERS)]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(ANSWERS + 5):
            _, said = await process.communicate()
    except TimeoutError:
        raise NotYet(f"{address}:{port} does not answer") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise NotYet(f"{address}:{port}: {lines[-1] if lines else 'it does not answer'}")
