"""`source.json` in a machine's directory: how this host reads it. The machine is followed from here while the file exists."""

from pathlib import Path

import msgspec

from understudy.durable import replace_file, sync_directory
from understudy.engine import MachineSource
from understudy.errors import StateFailed

NAME = "source.json"


def read_source(directory: Path) -> MachineSource | None:
    """None if this host does not follow the machine."""
    path = directory / NAME
    try:
        source: MachineSource = msgspec.json.decode(path.read_bytes(), type=MachineSource)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="protect the machine again; its recovery points stay") from None
    return source


def write_source(directory: Path, source: MachineSource) -> None:
    """Durable when it returns; a crash leaves the old file or the new one."""
    replace_file(directory / NAME, msgspec.json.format(msgspec.json.encode(source)) + b"\n")


def remove_source(directory: Path) -> None:
    """Durably; nothing happens if it is absent."""
    try:
        (directory / NAME).unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        raise StateFailed(f"{directory / NAME} cannot be removed: {error.strerror}") from None


def followed_of_any_vault(state: Path) -> int:
    """How many machines this host follows; who they are their vaults know. Blocks."""
    return sum(1 for _ in state.glob(f"vaults/*/machines/*/{NAME}"))


def followed(directory: Path) -> bool:
    """Whether this host follows the machine, even if its file is damaged."""
    return (directory / NAME).exists()
