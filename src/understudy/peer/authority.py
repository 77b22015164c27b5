"""This site's own authority and what proves the site, in files. Any number of processes may make them at once: the first one counts."""

import contextlib
import os
from pathlib import Path
from secrets import token_hex

from understudy.durable import replace_file, state_directory, sync_directory
from understudy.pairing.certificates import Authority, is_fresh, new_authority, new_leaf, read_authority

_AUTHORITY = "authority.pem"
_LEAF = "site.pem"


def authority_here(directory: Path, site: str) -> Authority:
    """Made at its first use, durable when this returns. `StateFailed` if it cannot be read or written. Blocks."""
    path = directory / _AUTHORITY
    with state_directory(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _publish(path, new_authority(site).to_file())
        return read_authority(path.read_bytes())


def leaf_here(directory: Path, authority: Authority) -> tuple[Path, bool]:
    """The file of what proves this site, and whether it was made anew: there was none, or it would expire soon. Blocks."""
    path = directory / _LEAF
    with state_directory(directory):
        if path.exists() and is_fresh(authority, path.read_bytes()):
            return path, False
    replace_file(path, new_leaf(authority))
    return path, True


def _publish(path: Path, data: bytes) -> None:
    """Whole and durable under its name, unless somebody else's is there."""
    staged = path.with_name(f"{path.name}.{token_hex(8)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(staged, path)
    finally:
        staged.unlink()
    sync_directory(path.parent)
