"""An NBD server: listens on a unix socket or on TCP inside TLS, and serves devices to several clients side by side."""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from understudy.finish import finish
from understudy.nbd.channel import Channel, ClearChannel, TlsChannel
from understudy.nbd.device import Device
from understudy.nbd.failure import ClientBroke
from understudy.nbd.greeting import Offer, Opened, StartTls, greet
from understudy.nbd.serving import Serving, flags_of

log = logging.getLogger(__name__)

PATIENCE = 15.0
"""Seconds for a whole handshake, TLS and all."""
CLIENTS = 16
"""Clients that have opened an export: each may hold 32 MiB."""
GREETED = 64
"""Connections in the handshake, which hold next to nothing; more wait until the kernel's queue is full."""
ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client whose host is gone is noticed after two minutes."""


@dataclass(frozen=True, slots=True)
class Export:
    """A device and what lists say of it."""

    device: Device
    description: str = ""


@dataclass
class NbdServer:
    """Listens from `listen_unix` or `listen_tcp` on, until `close`."""

    exports: Mapping[str, Export]
    _listening: list[socket.socket] = field(default_factory=list)
    _accepting: list[asyncio.Task[None]] = field(default_factory=list)
    _clients: dict[asyncio.Task[None], bool] = field(default_factory=dict)
    """Whether each has opened an export."""
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def listen_unix(self, path: Path) -> None:
        """Nobody but this user may connect. A socket of that name is replaced: whoever calls knows that nobody listens there."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        self._listen(listening, None)

    def listen_tcp(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Clients must use TLS. `port` 0: any; returns which."""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        self._listen(listening, context)
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Disconnect everybody; what was being written is written when this returns. Idempotent."""
        for task in (*self._accepting, *self._clients):
            task.cancel()
        await finish(asyncio.gather(*self._accepting, *self._clients, return_exceptions=True))
        for listening in self._listening:
            if listening.family == socket.AF_UNIX:
                with suppress(FileNotFoundError):
                    os.unlink(listening.getsockname())
            listening.close()
        self._listening.clear()
        self._accepting.clear()

    def _listen(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        listening.listen(128)
        self._listening.append(listening)
        self._accepting.append(asyncio.create_task(self._accept(listening, context)))

    async def _accept(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while sum(not opened for opened in self._clients.values()) >= GREETED:
                self._room.clear()
                await self._room.wait()
            try:
                connected, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED):
                    raise
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._client(connected, context))
            self._clients[task] = False
            task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._clients.pop(task, None)
        self._room.set()

    async def _client(self, connected: socket.socket, context: ssl.SSLContext | None) -> None:
        connected.setblocking(False)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in ALIVE:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
        channel: Channel = ClearChannel(connected)
        try:
            async with asyncio.timeout(PATIENCE):
                channel, opened = await self._greeted(connected, context)
            if opened is not None:
                await self._serve(channel, opened)
        except ClientBroke as error:
            log.warning("an NBD client was disconnected: %s", error)
        except TimeoutError:
            log.warning("an NBD client was disconnected: its handshake took more than %g s", PATIENCE)
        except (OSError, EOFError) as error:
            log.debug("an NBD client left in its handshake: %s", error)
        except Exception:
            log.exception("an NBD client was disconnected")
        finally:
            await channel.close()
            connected.close()

    async def _serve(self, channel: Channel, opened: Opened) -> None:
        if sum(self._clients.values()) >= CLIENTS:
            log.warning("an NBD client was disconnected: %d have opened exports already", CLIENTS)
            return
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = True
        self._room.set()
        await Serving(channel, self.exports[opened.name].device, opened).run()

    async def _greeted(self, connected: socket.socket, context: ssl.SSLContext | None) -> tuple[Channel, Opened | None]:
        channel: Channel = ClearChannel(connected)
        said: list[bytes] = []
        offers = {name: Offer(it.device.size, flags_of(it.device), it.description) for name, it in self.exports.items()}
        talk = greet(offers, said.append, tls=context is not None)
        try:
            while True:
                try:
                    wanted = next(talk)
                except StopIteration as end:
                    await channel.send(b"".join(said))
                    return channel, end.value
                await channel.send(b"".join(said))
                said.clear()
                if isinstance(wanted, StartTls):
                    assert context is not None
                    channel = await TlsChannel.over(connected, context)
                else:
                    await channel.fill(wanted)
        except BaseException:
            await channel.close()
            raise
