"""`groups/<name>.json` beside a vault's machines: which machines this host freezes at one instant."""

from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file, state_directory
from understudy.errors import StateFailed
from understudy.vault.memory import Memory

_SUFFIX = ".json"


class GroupFile(msgspec.Struct, frozen=True, kw_only=True):
    """`machines`: ids."""

    machines: tuple[str, ...]


def groups_directory(state: Path, vault_id: str) -> Path:
    return Memory.of(state, vault_id).directory / "groups"


def read_groups(directory: Path) -> dict[str, GroupFile]:
    """All groups by name. One damaged file is an error: a group must not silently lose its name to another."""
    with state_directory(directory):
        paths = sorted(directory.glob(f"*{_SUFFIX}")) if directory.exists() else []
        return {path.name.removesuffix(_SUFFIX): _read(path) for path in paths}


def write_group(directory: Path, name: str, group: GroupFile) -> None:
    """Durable when it returns."""
    replace_file(directory / f"{name}{_SUFFIX}", msgspec.json.format(msgspec.json.encode(group)) + b"\n")


def remove_group(directory: Path, name: str) -> None:
    """Durably; nothing happens if it is absent."""
    with state_directory(directory):
        remove(directory / f"{name}{_SUFFIX}")


def _read(path: Path) -> GroupFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=GroupFile)
    except msgspec.DecodeError as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="remove the file and make the group again") from None
