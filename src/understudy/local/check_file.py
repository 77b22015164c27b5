"""`checks.json` beside `policy.json`: how this site finds out that a copy of the machine is well, where an operator said so."""

from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file
from understudy.engine import Check, checked_checks
from understudy.errors import InvalidRequest, StateFailed

NAME = "checks.json"


def read_checks(directory: Path) -> tuple[Check, ...] | None:
    """None if nothing is set. Blocks."""
    path = directory / NAME
    try:
        return checked_checks(msgspec.json.decode(path.read_bytes(), type=tuple[Check, ...]))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, InvalidRequest) as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="set the machine's checks again: understudy drill checks set") from None


def write_checks(directory: Path, checks: tuple[Check, ...] | None) -> None:
    """Durable when it returns; None: nothing is set any more. Blocks."""
    path = directory / NAME
    if checks is not None:
        replace_file(path, msgspec.json.format(msgspec.json.encode(checks)) + b"\n")
        return
    try:
        remove(path)
    except OSError as error:
        raise StateFailed(f"{path} cannot be removed: {error.strerror}") from None
