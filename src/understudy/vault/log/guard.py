"""No going back: the highest record of each log that this site ever saw must still be there."""

import fcntl
import os
from pathlib import Path

import msgspec

from understudy.durable import PASSING, replace_file
from understudy.errors import RolledBack, StateFailed
from understudy.vault.log.record import HASH_SIZE, Head
from understudy.vault.malformed import MALFORMED

_DAMAGED = "it remembers what this site has seen of the vault; if you know that the vault is the right one, remove this file"

_unkept: dict[Path, Head] = {}
"""Marks that there was no room for. Until there is, this process alone holds to them."""


class _Seen(msgspec.Struct, frozen=True):
    seq: int
    hash: str


def remembered(path: Path) -> Head:
    """What this site has seen; an empty head if nothing. Blocks."""
    kept, unkept = _kept(path), _unkept.get(path, Head())
    return unkept if unkept.seq > kept.seq else kept


def _kept(path: Path) -> Head:
    try:
        seen = msgspec.json.decode(path.read_bytes(), type=_Seen)
        head = Head(seen.seq, bytes.fromhex(seen.hash))
    except FileNotFoundError:
        return Head()
    except OSError as error:
        raise _failed(path, error) from error
    except (ValueError, *MALFORMED) as error:
        raise StateFailed(f"{path} is damaged: {error}", hint=_DAMAGED) from error
    if head.seq < 1 or len(head.hash) != HASH_SIZE:
        raise StateFailed(f"{path} is malformed", hint=_DAMAGED)
    return head


def waits(path: Path) -> bool:
    """Whether this process has seen more than there was room to remember."""
    return path in _unkept


def remember(path: Path, head: Head, *, must: bool = True) -> None:
    """Raise the mark durably; never lower it, whatever other processes of this host do meanwhile. Blocks.

    Unless it `must`, a disk that is full or failed is in nobody's way who only reads: what another site has decided is heard all the same.
    """
    if _kept(path).seq >= head.seq:
        return  # nothing new to keep: reading goes on though the state directory cannot be written
    try:
        _keep(path, head)
    except StateFailed as error:
        if must or not (isinstance(error.__cause__, OSError) and error.__cause__.errno in PASSING):
            raise
        if head.seq > remembered(path).seq:
            _unkept[path] = head
    else:
        _unkept.pop(path, None)


def _keep(path: Path, head: Head) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _kept(path).seq < head.seq:
            replace_file(path, msgspec.json.encode(_Seen(head.seq, head.hash.hex())))
    finally:
        os.close(fd)


def _failed(path: Path, error: OSError) -> StateFailed:
    return StateFailed(
        f"the state directory cannot be used: {path}: {error.strerror or error}",
        hint="check --state-dir (or UNDERSTUDY_STATE_DIR) and who may read and write there",
    )


def rolled_back(owner: str, seen: Head, end: int | None) -> RolledBack:
    """The error for a log that ends at `end` (None: somewhere before `seen`), or has another record where this site saw `seen`."""
    if end == 0 and seen.seq:
        return RolledBack(
            f"nothing is left in the vault of {owner}, of which this site has seen record {seen.seq}: it was deleted, or this is another",
            hint="nothing is written there. From a bucket with object lock it can come back: `understudy vault uncover --dry-run` tells; "
            "else bring back the newest copy of the vault, or promote the second vault: understudy vault promote",
        )
    what = "lacks it" if end is None else f"ends at record {end}" if end < seen.seq else "has another one there"
    return RolledBack(
        f"this site has seen record {seen.seq} of {owner}, and the vault {what}: it is an old copy, or was tampered with",
        hint="find the newest copy of the vault. This one can still be restored from, with --state-dir naming an empty directory; "
        "if it is a second vault, and all that there is: understudy vault promote",
    )
