"""What the shell may complete: names, from the daemon. Who cannot be asked completes nothing, and nothing is said."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from understudy.cli.daemon import DEFAULT_SOCKET
from understudy.cli.session import default_state_dir
from understudy.engine import JobQuery
from understudy.errors import UnderstudyError

if TYPE_CHECKING:
    from understudy.client import RemoteService

PATIENCE_SECONDS = 1.0


def machine_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Machines that begin so."""

    async def names(service: "RemoteService") -> list[str]:
        return list(await service.names())

    return [name for name in _asked(context, names) if name.startswith(incomplete)]


def job_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The newest jobs whose ids begin so."""

    async def ids(service: "RemoteService") -> list[str]:
        return [job.id for job in await service.jobs(JobQuery())]

    return [job for job in _asked(context, ids) if job.startswith(incomplete)]


def mount_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Mounts of this host that begin so, as its state directory tells."""
    from understudy.app import mounts

    try:
        found = mounts(context.params.get("state_dir") or default_state_dir())
    except (UnderstudyError, OSError):
        return []
    return [mount.name for mount in found if mount.name.startswith(incomplete)]


def _asked(context: click.Context, ask: "Callable[[RemoteService], Awaitable[list[str]]]") -> list[str]:
    socket = context.params.get("socket_path") or DEFAULT_SOCKET

    async def answer() -> list[str]:
        from understudy.client import open_service

        async with asyncio.timeout(PATIENCE_SECONDS), open_service(socket) as service:
            return await ask(service)

    try:
        return asyncio.run(answer())
    except (UnderstudyError, OSError):
        return []
