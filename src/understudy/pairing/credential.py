"""What a site has that may reach another one's vault: a private key, its certificate, and the other site's authority, in one file."""

import os
import ssl
from pathlib import Path
from typing import NamedTuple

from understudy.durable import replace_file
from understudy.errors import AccessDenied, StateFailed, StoreRefused
from understudy.pairing.address import Address
from understudy.pairing.tls import client_context

FILE = "credential.pem"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_JOIN = "to join, there: `understudy peer invite NAME`; here: `understudy peer join -` with the key that it prints"


class Credential(NamedTuple):
    """PEM."""

    private_key: str
    certificate: str
    authority: str


def credential_file(state: Path, address: Address) -> Path:
    """Where a site keeps what lets it in at another one, unless its address says otherwise."""
    return state / "peers" / f"{address.host}_{address.port}" / FILE


def write_credential(path: Path, credential: Credential) -> None:
    """Atomic and durable, for its owner alone. `StateFailed`."""
    replace_file(path, "".join(part.rstrip("\n") + "\n" for part in credential).encode())


def context_of(path: Path, address: Address) -> ssl.SSLContext:
    """For connections to that site. `path`: the file, or the directory that it is in. Blocks. `StoreRefused` if this site has not
    joined (`NotFound` would say that a vault is missing), `AccessDenied` if others can read it, `StateFailed` if it makes no sense."""
    path = _file(path)
    try:
        status = path.stat()
        certificates = path.read_text().split(_BEGIN)
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            raise AccessDenied(
                f"the credential {path} can be read by others", hint="chmod 600 it; if they may have read it: revoke it, and join again"
            )
        return client_context(_BEGIN + certificates[-1], path)
    except FileNotFoundError:
        raise StoreRefused(
            f"this site has not joined the one at {address}: there is no credential {path}", hint=f"{_joined_instead(path)}{_JOIN}"
        ) from None
    except (OSError, ValueError) as error:
        raise StateFailed(f"the credential {path} cannot be used: {error}", hint="put it back from a copy, or join again") from None


def _joined_instead(path: Path) -> str:
    """Whom this site has joined, where each has a directory beside the one that is missing: an address may have been mistyped."""
    try:
        known = sorted(":".join(found.parent.name.rsplit("_", 1)) for found in path.parent.parent.glob(f"*_*/{FILE}"))
    except OSError:
        known = []
    return f"it has joined {', '.join(known[:5])}: is the address right? Else, " if known else ""


def can_be_let_in(path: Path) -> bool:
    """Whether a site of the authority that is in it can have made this credential. True where it cannot be read. Blocks."""
    from understudy.pairing.certificates import is_peers

    try:
        _, certificate, authority = _file(path).read_text().split(_BEGIN)
        return is_peers(_BEGIN + certificate, _BEGIN + authority)
    except (OSError, ValueError):
        return True


def _file(path: Path) -> Path:
    return path / FILE if path.is_dir() else path
