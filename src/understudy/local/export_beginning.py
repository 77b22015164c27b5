"""An export whose starter was killed: it goes on by itself, or leaves a directory that tells nothing."""

import asyncio
import os
import shutil
import socket
import time
from pathlib import Path

from understudy.durable import state_directory, sync_directory
from understudy.errors import Busy, NotFound
from understudy.local.export_file import LOG, RECORD, directory_of, is_served, read_export
from understudy.local.exporting import MARK, PATIENCE

_POLL = 0.05


async def settled(state: Path, name: str) -> None:
    """It can be connected to when this returns, or has no process; and where it has no record either, nothing of it is there."""
    until = time.monotonic() + PATIENCE
    while await asyncio.to_thread(_is_beginning, state, name):
        if time.monotonic() > until:
            raise Busy(f"the export {name} does not begin to serve", hint=f"see {directory_of(state, name) / LOG}, then try again")
        await asyncio.sleep(_POLL)
    await asyncio.to_thread(_swept, directory_of(state, name))


def _is_beginning(state: Path, name: str) -> bool:
    directory = directory_of(state, name)
    if not is_served(directory):
        return directory.is_dir() and _has_process(directory, name)
    try:
        listen = read_export(state, name).listen
    except NotFound:
        return True
    return listen.startswith("/") and not _answers(listen)


def _has_process(directory: Path, name: str) -> bool:
    """Whether one was begun that has not come so far as to own its directory."""
    log, mark = os.path.realpath(directory / LOG), os.fsencode(f"{MARK}{name}")
    for pid in (entry for entry in os.listdir("/proc") if entry.isdecimal()):
        try:
            if mark in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") and os.readlink(f"/proc/{pid}/fd/2") == log:
                return True
        except OSError:
            continue
    return False


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
    return True


def _swept(directory: Path) -> None:
    if directory.is_dir() and not (directory / RECORD).exists() and not is_served(directory):
        shutil.rmtree(directory, ignore_errors=True)
        with state_directory(directory.parent):
            sync_directory(directory.parent)
