"""What proves to an object server who asks: in a file of its own, never in an address."""

import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from understudy.errors import StoreRefused, UnderstudyError

T = TypeVar("T", bound=msgspec.Struct)
C = TypeVar("C")

# obstore asks again five minutes before they are said to end: a file that is replaced counts within that time, without a restart.
LASTS = timedelta(minutes=10)
SYSTEMD = "systemd:"
_IN_ADDRESS = "give them in one of these ways: ?credentials=/path or ?credentials=systemd:NAME in the address; in the environment "
HOW_TO_GIVE = {
    "s3": _IN_ADDRESS
    + "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; a role of this instance",
    "az": _IN_ADDRESS + "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID with AZURE_TENANT_ID and "
    "AZURE_CLIENT_SECRET; an identity of this instance",
}
"""A hint, by the kind of store."""


class FileCredentials(Generic[T, C]):
    """Gives obstore what is in a file, read anew every five minutes."""

    def __init__(self, said: str, kind: type[T], given: Callable[[T, datetime], C]) -> None:
        """`said`: where, as in an address. `kind`: what the file holds, a table of TOML. `given`: that, until then, in obstore's words.

        Read at once, so that what is wrong with it is said before anything is begun: `StoreRefused`.
        """
        self._said = said
        self._kind = kind
        self._given = given
        self._complaint: UnderstudyError | None = None
        self()

    def __call__(self) -> C:
        self._complaint = None
        try:
            return self._given(read_credentials(self._said, self._kind), datetime.now(UTC) + LASTS)
        except UnderstudyError as error:
            self._complaint = error
            raise

    def complaint(self) -> UnderstudyError | None:
        """Why there were none the last time."""
        return self._complaint


def read_credentials(said: str, kind: type[T]) -> T:
    """`said`: an absolute path, or `systemd:NAME`. `StoreRefused` if it cannot be read, is open to others, or holds something else.

    What it holds is in no message.
    """
    path, others = Path(said), 0o077
    if said.startswith(SYSTEMD):
        # systemd lets the service's user read it by an access list, which shows as rights of a group.
        path, others = _given_by_systemd(said.removeprefix(SYSTEMD)), 0o007
    names = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
    hint = f"it is a file of TOML that only its owner can read, with {names}"
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1 << 16)
    except OSError as error:
        raise StoreRefused(f"the credentials {path} cannot be read: {error.strerror}", hint=hint) from None
    if mode & others:
        raise StoreRefused(
            f"the credentials {path} can be read by others", hint=f"chmod 600 {path}, and change what is in it if they may have read it"
        )
    try:
        return msgspec.convert(tomllib.loads(text.decode()), kind)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        wrong = error if isinstance(error, msgspec.ValidationError) else "it is not TOML"
        raise StoreRefused(f"the credentials {path} are not what they should be: {wrong}", hint=hint) from None


def _given_by_systemd(name: str) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise StoreRefused(f"there is no credential {name!r}: systemd gave none", hint=f"LoadCredential={name}:FILE in the unit")
    return Path(directory) / name
