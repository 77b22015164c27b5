"""A site moves on to a promoted copy: marks of the former vault do not hold there, nor may what was to be appended to that reach it.

`promotions.json` names the promotions that were followed; below `promoted/<the newest>` are the marks, and what appends keep. The
directory is made whole under another name and renamed, then the file replaced: killed at any step the site is where it was, or there.
"""

import fcntl
import os
import shutil
from collections.abc import Mapping, Sequence

import msgspec

from understudy.durable import replace_file, state_directory, sync_directory
from understudy.errors import StateFailed
from understudy.vault import names
from understudy.vault.log import guard
from understudy.vault.log.record import Head
from understudy.vault.malformed import MALFORMED
from understudy.vault.memory import PROMOTIONS, Memory, followed

REVOKED = "revoked.json"
_LOCK = "promotions.lock"


def marks(memory: Memory) -> dict[str, Head]:
    """What was seen of each log, by its owner. Blocks."""
    owners = [names.SETTINGS, *(names.machine(machine) for machine in memory.guarded_machines())]
    found = {owner: guard.remembered(memory.guard(owner)) for owner in owners}
    return {owner: head for owner, head in found.items() if head.seq}


def revoked(memory: Memory) -> frozenset[str]:
    """Public keys, in hex, that this site knows to be revoked, whatever copy of the vault it looks at. Blocks."""
    path = memory.directory / REVOKED
    try:
        return frozenset(msgspec.json.decode(path.read_bytes(), type=tuple[str, ...]))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="check --state-dir, and who may read there") from error
    except (ValueError, *MALFORMED) as error:
        raise StateFailed(f"{path} is damaged: {error}", hint="remove it: it is made anew from the vault") from error


def remember_revoked(memory: Memory, keys: frozenset[str]) -> None:
    """A copy that does not know of it yet may be promoted with such a key. Blocks."""
    known = revoked(memory)
    if not keys <= known:
        with state_directory(memory.directory):
            replace_file(memory.directory / REVOKED, msgspec.json.encode(sorted(known | keys)))


def move(memory: Memory, promotions: Sequence[str], seen: Mapping[str, Head]) -> Memory:
    """From now on this site goes by the newest of `promotions` (all that the vault has), and refuses what lacks `seen`. Blocks."""
    moved = Memory(memory.directory, promotions[-1])
    staged = Memory(memory.directory, promotions[-1] + ".new")
    with state_directory(memory.directory):
        memory.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(memory.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if moved.is_current:
                return moved
            for left in (staged.own, moved.own):  # of one that was killed: nobody has gone by it
                shutil.rmtree(left, ignore_errors=True)
            for owner, head in seen.items():
                guard.remember(staged.guard(owner), head)
            os.rename(staged.own, moved.own)
            sync_directory(moved.own.parent)
            known = dict.fromkeys((*followed(memory.directory), *promotions))
            replace_file(memory.directory / PROMOTIONS, msgspec.json.encode({"followed": list(known)}))
            return moved
        finally:
            os.close(fd)
