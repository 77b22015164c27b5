"""Who is at the other end of a connection: the kernel says it of a unix socket, a token of a TCP one."""

import asyncio
import grp
import os
import pwd
import socket
import struct
import time

from aiohttp import web

from understudy.api.access import Identity, Settings, role_of
from understudy.api.refusals import Unauthenticated
from understudy.api.tokens import token_named
from understudy.errors import AccessDenied

_REMEMBERED_SECONDS = 5.0
_CREDENTIALS = struct.Struct("3i")


class Peers:
    """Finds identities. What the system says of a user's groups is remembered for a moment, since it may come from a network."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[int, tuple[float, Identity]] = {}

    def renew(self, settings: Settings) -> None:
        self._settings = settings
        self._known.clear()

    async def identify(self, request: web.Request) -> Identity:
        transport = request.transport
        if transport is None:
            raise Unauthenticated("the connection is gone")
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family == socket.AF_UNIX:
            return await self._by_user(_CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1])
        if transport.get_extra_info("ssl_object") is None:
            raise AccessDenied("over TCP only with TLS", hint="a token that is sent in the clear is everybody's")
        return self._by_token(request.headers.get("Authorization", ""))

    async def _by_user(self, uid: int) -> Identity:
        now = time.monotonic()
        until, identity = self._known.get(uid, (0.0, None))
        if identity is None or until < now:
            identity = await asyncio.to_thread(_identity, self._settings, uid)
            self._known[uid] = (now + _REMEMBERED_SECONDS, identity)
        return identity

    def _by_token(self, header: str) -> Identity:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("a bearer token is needed", hint="send it as `Authorization: Bearer TOKEN`")
        token = token_named(self._settings.tokens, secret.strip())
        if token is None:
            raise Unauthenticated("this token is not known here", hint="the daemon reads its token file when it starts, and on SIGHUP")
        return Identity(name=token.name, role=token.role, via="token")


def _identity(settings: Settings, uid: int) -> Identity:
    if uid in (0, os.geteuid()):
        return Identity(name=_user(uid)[0], role="admin", via="socket")
    name, gid = _user(uid)
    groups = [] if gid is None else [group for number in os.getgrouplist(name, gid) if (group := _group(number)) is not None]
    return Identity(name=name, role=role_of(settings, name, groups), via="socket")


def _user(uid: int) -> tuple[str, int | None]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return f"uid {uid}", None
    return entry.pw_name, entry.pw_gid


def _group(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
