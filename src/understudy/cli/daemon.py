"""The daemon of this host as a command sees it, and which job of it the command waits for."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from understudy.cli.output import Output
from understudy.engine import Job

if TYPE_CHECKING:
    from understudy.client import RemoteService

DEFAULT_SOCKET = "/run/understudy/api.sock"


class Daemon:
    """Reached by its unix socket."""

    def __init__(self, socket: str, output: Output) -> None:
        self.socket = socket
        self._output = output
        self._waiting: Job | None = None

    def is_there(self) -> bool:
        """Whether there is a socket; only opening it tells whether anybody listens."""
        return os.path.exists(self.socket)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["RemoteService"]:
        from understudy.client import open_service

        async with open_service(self.socket, self._wait) as service:
            yield service

    def _wait(self, job: Job | None) -> None:
        self._waiting = job

    def tell_what_goes_on(self) -> None:
        """Whoever stops waiting for a job has not stopped the job."""
        if self._waiting is not None:
            job = self._waiting.id
            self._output.warn(
                f"job {job} goes on in the daemon; `understudy job show {job}` follows it, `understudy job cancel {job}` ends it"
            )
