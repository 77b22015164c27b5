"""What an image file is known to hold: a small JSON file beside it, written before the image is touched and after it is proven.

An image may be trusted to hold a point only if nothing can have written to it since it was proven: same inode, size and times.
The kernel moves a file's times on in ticks, so they are recorded only once they are older than the present tick.
"""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from understudy.durable import sync_directory
from understudy.errors import TargetFailed
from understudy.recovery.failure import target_failed

FORMAT = 1
_TICK = 20_000_000
"""Nanoseconds; longer than any kernel's tick (10 ms at 100 Hz)."""
_PATIENCE = 10.0
"""Seconds that a file may be written to by somebody else, who may be about to end."""


class Identity(msgspec.Struct, frozen=True):
    """What the file system says of a file; it changes whenever the file does."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Identity":
        try:
            status = os.stat(path)
        except OSError as error:
            raise target_failed(path, "looking at it", error) from error
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Subject(msgspec.Struct, frozen=True):
    """Whose disk it is: ids in hex."""

    vault: str
    machine: str
    disk: str


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sidecar file's content."""

    format: int = FORMAT
    subject: Subject
    holds: str = ""
    """The point that it held when `identity` was taken, in hex; empty if that is not known."""
    towards: str = ""
    """The point that it is being changed to; not empty: unless `mixed` tells, what it holds is not known."""
    inode: int = 0
    """Of the image, or of its `.partial` while there is one; 0 before that exists."""
    identity: Identity | None = None
    mixed: tuple[str, ...] = ()
    """Not empty: a change was given up in an orderly way, and each block was of one of these points when `identity` was taken."""
    proven: int = 0
    """When its whole content was last compared with a point's digest (wall-clock ns); changes since were authentic. 0: not known."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """Made just now: all zero."""


@dataclass(frozen=True, slots=True)
class Holds:
    """It holds this point, bit for bit."""

    point: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """Each block is of one of these points, or was being changed from one of them to another."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known; `reason` says why, in words."""

    reason: str


Held: TypeAlias = Sparse | Holds | Mixed | Unknown


def sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".understudy")


def partial(path: Path) -> Path:
    """Where a new image is made; under its own name it is whole."""
    return path.with_name(path.name + ".partial")


def ours(standing: Standing | None, subject: Subject, inode: int) -> bool:
    """Whether we made the file, or have made it an image of this very disk."""
    return standing is not None and standing.subject == subject and standing.inode == inode != 0


def in_use(standing: Standing | None, now: Identity) -> bool:
    """Whether somebody has written to an image since it was proven: it may hold what no point does. Its owner and mode may change."""
    if standing is None or standing.identity is None or standing.towards:
        return False
    was = standing.identity
    return (was.size, was.mtime_ns) != (now.size, now.mtime_ns)


def held(standing: Standing | None, subject: Subject, now: Identity) -> Held:
    """What an existing file may be trusted to hold. Pure."""
    if standing is None:
        return Unknown("it has no record of what it holds")
    if standing.subject != subject:
        return Unknown("it was an image of another disk")
    if standing.towards:
        if standing.mixed and standing.identity == now:
            return Mixed(standing.mixed)
        return Unknown("an earlier restore to it was not finished")
    if not standing.holds or standing.identity != now:
        return Unknown("it was touched since it was written")
    return Holds(standing.holds)


def read(path: Path) -> Standing | None:
    """The sidecar of the image at `path`; None if there is none or it says nothing that can be used."""
    try:
        raw = sidecar(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise target_failed(sidecar(path), "reading it", error) from error
    try:
        standing = msgspec.json.decode(raw, type=Standing)
    except msgspec.MsgspecError:
        return None
    return standing if standing.format == FORMAT else None


def write(path: Path, standing: Standing) -> None:
    """Replace the sidecar of the image at `path`, atomically and durably."""
    name = sidecar(path)
    draft = name.with_name(name.name + ".new")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(msgspec.json.encode(standing))
            file.flush()
            os.fsync(fd)
        os.replace(draft, name)
        sync_directory(name.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise target_failed(name, "writing it", error) from error


async def settled(path: Path) -> Identity:
    """The file's identity once its times are older than the present tick: a write from now on cannot go unseen. `TargetFailed` where it
    does not come to rest."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        identity = await asyncio.to_thread(Identity.of, path)
        age = time.time_ns() - max(identity.mtime_ns, identity.ctime_ns)
        if not -_TICK * 50 < age < _TICK:
            return identity
        await asyncio.sleep((_TICK - min(age, _TICK)) / 1e9)
    raise TargetFailed(f"{path} is being written to by another program", hint="see what uses it, and repeat the command")
