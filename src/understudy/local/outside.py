"""What must not lie in a vault's own directory."""

from pathlib import Path

from understudy.errors import InvalidRequest


def must_be_outside(vault: Path | None, path: Path, what: str, why: str) -> None:
    """InvalidRequest if `path` is the directory `vault` or in it. None: the vault is no directory of this host."""
    if vault is not None and path.resolve().is_relative_to(vault.resolve()):
        raise InvalidRequest(f"{what} {path} would lie in the vault", hint=f"keep it elsewhere: {why}")
