"""A process that mounts, or unmounts, and kills itself right before the nth call by which it changes anything."""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import dying
from understudy import engine
from understudy.mounts.mounts import Exports, Mounts

CALLS = ((os, "rename"), (os, "mkdir"), (os, "rmdir"), (os, "unlink"), (subprocess, "run"), (fcntl, "ioctl"), (signal, "pidfd_send_signal"))


async def stays(_: Any) -> Any:
    """The export is the test's own."""


def mounts_in(state: str, vault: str) -> Mounts:
    return Mounts(Path(state), vault, None, Exports(stays, stays, stays))


def mount(state: str, vault: str, request: engine.StartMount, step: int) -> None:
    dying.at(step, CALLS)
    asyncio.run(mounts_in(state, vault).start(request))


def unmount(state: str, vault: str, name: str, step: int) -> None:
    dying.at(step, CALLS)
    asyncio.run(mounts_in(state, vault).stop(name))


def export_begins(environment: Mapping[str, str], words: Sequence[str]) -> None:
    """The command, until it has told the process that is to serve what to do."""
    from understudy.cli.main import cli, in_process

    dying.once_an_export_begins()
    os.environ.update(environment)
    cli.main(list(words), obj=in_process, prog_name="understudy")
