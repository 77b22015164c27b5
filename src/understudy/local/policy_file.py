"""`policy.json` beside `source.json`: how this host replicates the machine, where that is not as all others."""

from pathlib import Path

import msgspec

from understudy.durable import replace_file
from understudy.engine import ReplicationPolicy, checked_policy
from understudy.errors import InvalidRequest, StateFailed

NAME = "policy.json"


def read_policy(directory: Path) -> ReplicationPolicy | None:
    """None if the machine has none of its own."""
    path = directory / NAME
    try:
        return checked_policy(msgspec.json.decode(path.read_bytes(), type=ReplicationPolicy))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, InvalidRequest) as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="set the machine's policy again") from None


def remove_policy(directory: Path) -> None:
    """Nothing happens if it has none."""
    try:
        (directory / NAME).unlink(missing_ok=True)
    except OSError as error:
        raise StateFailed(f"{directory / NAME} cannot be removed: {error.strerror}") from None


def write_policy(directory: Path, policy: ReplicationPolicy) -> None:
    """Durable when it returns."""
    replace_file(directory / NAME, msgspec.json.format(msgspec.json.encode(policy)) + b"\n")
