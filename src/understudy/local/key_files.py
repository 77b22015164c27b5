"""Credentials as the vault takes them; key files are made here, whole or not at all."""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from understudy import engine
from understudy.durable import sync_directory
from understudy.errors import AccessDenied, Conflict, InvalidRequest, NotFound, StateFailed, UnderstudyError
from understudy.local.outside import must_be_outside
from understudy.vault.keys.unlock import KeyFile, Passphrase, Unlock

_LONGEST = 4096
_MAY_PASS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_STAYS = "the key file {} was made, and stays: a key may be there already that needs it. Say the same again when this is mended"
_REFUSED = (AccessDenied, Conflict, InvalidRequest, NotFound)


def unlock_of(credential: engine.Credential) -> Unlock:
    """What opens a vault now. NotFound if the key file does not exist."""
    if isinstance(credential, engine.Passphrase):
        return Passphrase(credential.text)
    path = Path(credential.path)
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST)
    except FileNotFoundError:
        raise NotFound(f"there is no key file {path}", hint="check --key-file or UNDERSTUDY_KEY_FILE") from None
    except OSError as error:
        raise InvalidRequest(f"cannot read the key file {path}: {error.strerror}") from None
    try:
        return KeyFile.parse(raw.decode("ascii", "replace"))
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error.message}", hint=error.hint) from None


@asynccontextmanager
async def new_unlock(
    credential: engine.Credential, vault: Path | None, is_unused: Callable[[], Awaitable[bool]] | None = None
) -> AsyncIterator[Unlock]:
    """What shall open a vault: a key file that does not exist is made, durable and with mode 0600, before any slot needs it.

    `vault` is the vault's own directory, if it is one on this host: whoever gets the vault must not get its key with it.
    Where the body is refused, the file goes again; where it failed in any other way, a slot may exist that needs it, and it goes only if
    `is_unused` says for certain that none does: else the failure says that it is there.
    """
    if isinstance(credential, engine.Passphrase):
        yield Passphrase(credential.text)
        return
    await asyncio.to_thread(must_be_kept_apart, credential, vault)
    made = await asyncio.to_thread(_made, Path(credential.path))
    try:
        yield await asyncio.to_thread(unlock_of, credential)
    except UnderstudyError as error:
        if made and (isinstance(error, _REFUSED) or (is_unused is not None and await is_unused())):
            await asyncio.to_thread(Path(credential.path).unlink, missing_ok=True)
        elif made:
            error.hint = "; ".join([*([error.hint] if error.hint else []), _STAYS.format(credential.path)])
        raise


def must_be_kept_apart(credential: engine.Credential, vault: Path | None) -> None:
    """`InvalidRequest` for a key file in the vault's own directory."""
    if isinstance(credential, engine.KeyFile):
        must_be_outside(vault, Path(credential.path), "the key file", "whoever gets the vault must not get its key")


def _made(path: Path) -> bool:
    """Make the key file unless it exists; whether it was made."""
    if os.path.lexists(path):
        return False
    _make(path)
    return True


def _make(path: Path) -> None:
    """Under a temporary name first, so that no key file is ever half; never over a file that came meanwhile."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
                out.write(KeyFile.generate().text())
                out.flush()
                os.fsync(out.fileno())
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        kind = StateFailed if error.errno in _MAY_PASS else InvalidRequest
        raise kind(
            f"the key file {path} cannot be made: {error.strerror}",
            hint="check that its directory exists, can be written, and is on a file system that is not full",
        ) from None
