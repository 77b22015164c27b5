"""The append under way, kept byte for byte until its slot is known to be occupied."""

from pathlib import Path
from typing import NamedTuple

from understudy.durable import replace_file
from understudy.errors import StateFailed
from understudy.vault.descriptor import digest

MAGIC = b"USATT\0\1\0"
_HASH = 32


class Attempt(NamedTuple):
    """A record's number and its exact bytes."""

    seq: int
    data: bytes


def save(path: Path, attempt: Attempt) -> None:
    """Durable when this returns. Blocks."""
    data = MAGIC + attempt.seq.to_bytes(8, "little") + attempt.data
    replace_file(path, data + digest(data))


def load(path: Path) -> Attempt | None:
    """What an earlier run, or an append in doubt, has left. Blocks."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="check --state-dir, and who may read there") from error
    if not data.startswith(MAGIC) or digest(data[:-_HASH]) != data[-_HASH:]:
        raise StateFailed(
            f"{path} is damaged: whether the last append took effect is only known to the vault",
            hint="remove it once no process of this host that might still be writing is left; the next cycle then compares everything",
        )
    start = len(MAGIC) + 8
    return Attempt(int.from_bytes(data[len(MAGIC) : start], "little"), data[start:-_HASH])


def drop(path: Path) -> None:
    """Not synced: a left attempt whose slot the rollback guard has passed is known to be over. Blocks."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="the state directory must be writable") from error
