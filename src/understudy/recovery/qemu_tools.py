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


def tool(name: str) -> str:
    """The tool's path."""
    found = shutil.which(name)
    if found is None:
        raise Unsupported(f"{name} is not installed; qcow2 images need it", hint="apt-get install qemu-utils (or restore to a raw image)")
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


class QemuNbd:
    """A qcow2 image served by a qemu-nbd of our own, which ends when we do, however that is."""

    def __init__(self, process: asyncio.subprocess.Process, said: "asyncio.Task[bytes]", client: NbdClient, path: Path) -> None:
        self.client = client
        self._process = process
        self._said = said
        self._path = path

    @classmethod
    async def start(cls, path: Path, *, read_only: bool) -> "QemuNbd":
        """Open the image and connect to it. Conflict if it is in use elsewhere."""
        return await while_busy(lambda: cls._start(path, read_only))

    @classmethod
    async def _start(cls, path: Path, read_only: bool) -> "QemuNbd":
        program = tool("qemu-nbd")
        with tempfile.TemporaryDirectory(prefix="understudy-") as directory, socket.socket(socket.AF_UNIX) as listener:
            address = f"{directory}/nbd"
            listener.bind(address)
            listener.listen(1)
            # Our connection waits in the listening socket before qemu-nbd is born. It serves one client and exits when that is
            # gone, so whenever we are killed it ends too, having finished the writes that it had received.
            connecting = asyncio.ensure_future(NbdClient.connect_unix(address, contexts=("base:allocation",)))
            await asyncio.sleep(0)
            options = ["--format=qcow2", "--cache=writeback", "--discard=unmap", *(["--read-only"] if read_only else [])]
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null', "sh", program, *options, os.fspath(path)),
                stdin=listener.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            listener.close()
            assert process.stderr is not None
            said = asyncio.ensure_future(process.stderr.read())
            try:
                client = await connecting
            except BaseException as error:
                connecting.cancel()
                if process.returncode is None and not isinstance(error, NbdFailed):
                    process.terminate()
                await process.wait()
                if isinstance(error, NbdFailed):
                    raise _refusal("qemu-nbd", os.fspath(path), await said) from error
                raise
        return cls(process, said, client, path)

    async def stop(self) -> None:
        """Disconnect, and wait until the image is closed. TargetFailed if that went wrong: it may lack what was written."""
        await self.abandon()
        if self._process.returncode:
            raise _refusal("qemu-nbd", os.fspath(self._path), await self._said)

    async def abandon(self) -> None:
        """The same, however it ends."""
        await self.client.close()
        try:
            async with asyncio.timeout(_EXIT_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._said


def _refusal(program: str, path: str, said: bytes) -> UnderstudyError:
    words = " ".join(said.decode("utf-8", "replace").split())[:500] or "it ended without a word"
    if "lock" in words:
        return Conflict(
            f"{path} is in use: a running VM or another program holds QEMU's lock on it",
            hint="shut the VM down first (or let the other restore finish), or name another target",
        )
    return TargetFailed(f"{path}: {program} failed: {words}", hint="see whether it is a sound qcow2 image on a sound disk with space left")
