"""qemu-img and qemu-nbd as child processes."""

import asyncio
import json
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from understudy.errors import Conflict, TargetFailed, UnderstudyError, Unsupported
from understudy.nbd.client import NbdClient
from understudy.nbd.failure import NbdFailed
from understudy.recovery.image_lock import while_busy

_EXIT_PATIENCE = 60.0
"""Seconds for qemu-nbd to close an image after its client has gone."""


def tool(name: str, package: str = "qemu-utils") -> str:
    """The tool's path; Unsupported names the package if it is missing."""
    found = shutil.which(name)
    if found is None:
        raise Unsupported(f"{name} is not installed; qcow2 images need it", hint=f"apt-get install {package} (or restore to a raw image)")
    return found


async def qemu_img(*arguments: str) -> bytes:
    """Run qemu-img; its standard output. Its refusals come as TargetFailed, a locked image as Conflict."""
    process = await asyncio.create_subprocess_exec(
        tool("qemu-img"), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise _refusal("qemu-img", arguments[-1], said)
    return output


async def image_info(path: Path) -> dict[str, Any]:
    """What qemu-img knows of a qcow2 image; refused while a VM has it."""
    info: dict[str, Any] = json.loads(await while_busy(lambda: qemu_img("info", "-f", "qcow2", "--output=json", os.fspath(path))))
    return info


# Once the death signal is set, a parent that is still there will be missed; then the listening socket becomes descriptor 3.
# The signal is KILL because qemu-nbd forgets a TERM that comes while it starts; a qcow2 image survives it with leaked clusters at worst.
_BORN = '[ "$PPID" = "$1" ] || exit; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null'


class QemuNbd:
    """A qcow2 image served by a qemu-nbd of our own, which ends when we do, however that is."""

    def __init__(self, process: asyncio.subprocess.Process, client: NbdClient, path: Path) -> None:
        self.client = client
        self._process = process
        self._path = path

    @classmethod
    async def start(cls, path: Path, *, read_only: bool) -> "QemuNbd":
        """Open the image and connect to it. Conflict if it is in use elsewhere."""
        return await while_busy(lambda: cls._start(path, read_only))

    @classmethod
    async def _start(cls, path: Path, read_only: bool) -> "QemuNbd":
        program, guard = tool("qemu-nbd"), tool("setpriv", "util-linux")
        with socket.socket(socket.AF_UNIX) as listener:
            with tempfile.TemporaryDirectory(prefix="understudy-") as directory:
                address = f"{directory}/nbd"
                listener.bind(address)
                listener.listen(1)
                # The connection is made by the first step of this task and waits in the listener until qemu-nbd accepts it.
                connecting = asyncio.ensure_future(NbdClient.connect_unix(address, contexts=("base:allocation",)))
                await asyncio.sleep(0)
            options = ["--format=qcow2", "--cache=writeback", "--discard=unmap", *(["--read-only"] if read_only else [])]
            process: asyncio.subprocess.Process | None = None
            try:
                process = await asyncio.create_subprocess_exec(
                    *(guard, "--pdeathsig", "KILL", "/bin/sh", "-c", _BORN, "sh", str(os.getpid()), program, *options, os.fspath(path)),
                    stdin=listener.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
                # Only qemu-nbd holds it now: should it end, the connection ends too.
                listener.close()
                client = await connecting
            except NbdFailed as error:
                raise _refusal("qemu-nbd", os.fspath(path), await _end(process)) from error
            except BaseException:
                connecting.cancel()
                await _end(process)
                raise
        return cls(process, client, path)

    async def stop(self) -> None:
        """Disconnect, and wait until the image is closed. TargetFailed if that went wrong: it may lack what was written."""
        said = await self.abandon()
        if self._process.returncode:
            raise _refusal("qemu-nbd", os.fspath(self._path), said)

    async def abandon(self) -> bytes:
        """The same, however it ends; its last words."""
        await self.client.close()
        return await _end(self._process, _EXIT_PATIENCE)


async def _end(process: asyncio.subprocess.Process | None, patience: float = 1.0) -> bytes:
    """See it off, at first by waiting `patience` seconds for it to go by itself. What it said."""
    if process is None:
        return b""
    talk = asyncio.ensure_future(process.communicate())
    for insist in (process.terminate, process.kill):
        await asyncio.wait([talk], timeout=patience)
        if not talk.done():
            insist()
    _, said = await talk
    return said


def _refusal(program: str, path: str, said: bytes) -> UnderstudyError:
    words = " ".join(said.decode("utf-8", "replace").split())[:500] or "it ended without a word"
    if "lock" in words:
        return Conflict(
            f"{path} is in use: a running VM or another program holds QEMU's lock on it",
            hint="shut the VM down first (or let the other restore finish), or name another target",
        )
    return TargetFailed(f"{path}: {program} failed: {words}", hint="see whether it is a sound qcow2 image on a sound disk with space left")
