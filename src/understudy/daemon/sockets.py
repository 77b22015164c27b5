"""Where the API listens. A socket file that a dead daemon left is removed; one that answers is not."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from understudy.config.values import ApiConfig
from understudy.daemon.certificate import Certificate
from understudy.daemon.farewell import TlsListener
from understudy.errors import Busy, InvalidRequest, StateFailed

API_DRAIN = 5.0
"""Seconds for answers that are under way when the daemon stops."""

IDLE = 30.0
"""Seconds for which a connection may send no whole head of a request: also its first, so that nobody holds connections for nothing."""


@asynccontextmanager
async def listening(app: web.Application, config: ApiConfig, certificate: Certificate | None = None) -> AsyncIterator[None]:
    """Serve `app` on the socket, and on TCP, with `certificate`, where that is configured."""
    path = Path(config.socket)
    opened = await asyncio.to_thread(unix_socket, path)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=API_DRAIN, keepalive_timeout=IDLE)
    tls: TlsListener | None = None
    try:
        await runner.setup()
        await web.SockSite(runner, opened).start()
        if config.tcp is not None and certificate is not None:
            assert runner.server is not None
            try:
                tls = await TlsListener.begin(runner.server, config.tcp.host, config.tcp.port, certificate.context)
            except OSError as error:
                where = f"{config.tcp.host}:{config.tcp.port}"
                raise InvalidRequest(f"api.tcp.listen: {where} cannot be listened at: {error.strerror}") from None
        yield
    finally:
        if tls is not None:
            tls.close()
        await runner.cleanup()
        if tls is not None:
            await tls.closed()
        opened.close()
        with suppress(FileNotFoundError):
            await asyncio.to_thread(path.unlink)


def unix_socket(path: Path) -> socket.socket:
    """A unix socket at `path`, open to everybody who may reach it: who may do what is told by peer credentials. Blocks.

    `Busy` if another process listens there. The caller holds the daemon's own lock, so no other daemon does this at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        mask = os.umask(0o111)
        try:
            opened.bind(str(path))
        finally:
            os.umask(mask)
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise StateFailed(f"the API's socket {path} cannot be made: {error.strerror}", hint="see `socket` in [api]") from None
    return opened


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StateFailed(f"{path} is in the way, and is no socket", hint="move it away, or choose another `socket` in [api]")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as other:
        other.settimeout(2.0)
        try:
            other.connect(str(path))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise StateFailed(f"whether somebody listens at {path} cannot be told: {error}") from None
        else:
            raise Busy(f"another process listens at {path}", hint="end it, or choose another `socket` in [api]")
    path.unlink(missing_ok=True)
