"""`readiness.json` beside `networks.json`: what was found when the machine was looked at last."""

from pathlib import Path

import msgspec

from understudy.durable import replace_file
from understudy.engine import Readiness

NAME = "readiness.json"


def read_readiness(directory: Path) -> Readiness | None:
    """None if it was never looked at, or what is there cannot be read: then it is looked at again. Blocks."""
    try:
        return msgspec.json.decode((directory / NAME).read_bytes(), type=Readiness)
    except (OSError, msgspec.DecodeError):
        return None


def write_readiness(directory: Path, readiness: Readiness) -> None:
    """Durable when it returns. Blocks."""
    replace_file(directory / NAME, msgspec.json.format(msgspec.json.encode(readiness)) + b"\n")
