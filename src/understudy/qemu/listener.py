"""Which process listens at a Unix socket, whether or not it answers."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")
_ACCEPTS = 0x10000
"""Of a socket's flags in /proc/net/unix: it listens."""


def listener(path: str) -> int | None:
    """Its number; 0 if none does; None if one does, and it cannot be seen from here which. Blocks for some 50 ms where its queue is full.

    QEMU takes nobody else out of the queue while one client has the monitor, and the queue has room for two: also of who went away.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return _found(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return 0
        except OSError:
            return None
        # Of another namespace of processes it is 0.
        return int(_CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]) or None


def stopped(path: str) -> bool:
    """Whether it is known that the process which listens there stands still by a signal. Blocks as `listener` does."""
    pid = listener(path)
    # Of one whose main thread is held up by a disk the others stand still already, and it does when it comes back.
    return bool(pid) and any(_state(thread) == "T" for thread in Path(f"/proc/{pid}/task").glob("*/stat"))


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _found(path: str) -> int | None:
    """By the sockets that processes have open: each network namespace lists its own, each by the path as it was given."""
    try:
        wanted = os.stat(path)
    except OSError:
        return None
    known: dict[str, dict[str, str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        # Whatever is not there any more has ended, and is not who is looked for.
        with suppress(OSError):
            space = os.readlink(process / "ns" / "net")
            if space not in known:
                known[space] = dict(_listening(process, os.path.basename(path)))
            for descriptor in os.listdir(process / "fd") if known[space] else ():
                with suppress(OSError):
                    held = known[space].get(os.readlink(process / "fd" / descriptor))
                    if held is not None and os.path.samestat(os.stat(_seen_by(process, held)), wanted):
                        return int(process.name)
    return None


def _listening(process: Path, name: str) -> Iterator[tuple[str, str]]:
    """As a descriptor shows it, and its path: sockets that listen and are called so."""
    for line in (process / "net" / "unix").read_text(errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS and os.path.basename(fields[7]) == name:
            yield f"socket:[{fields[6]}]", fields[7]


def _seen_by(process: Path, path: str) -> str:
    return f"{process}/root{path}" if os.path.isabs(path) else f"{process}/cwd/{path}"
