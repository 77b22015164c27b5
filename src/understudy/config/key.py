"""Where the vault's key is."""

import os
from pathlib import Path

from understudy.config.values import Config, VaultConfig
from understudy.engine import Connection, KeyFile
from understudy.errors import InvalidRequest


def connection_of(config: Config) -> Connection:
    """To the configured vault, with its key. `InvalidRequest` as `key_path`."""
    key = KeyFile(path=str(key_path(config.vault)))
    return Connection(vault=config.vault.url, state_dir=config.state_dir, site=config.site, credential=key)


def key_path(vault: VaultConfig) -> Path:
    """The key file, wherever it is. `InvalidRequest` if systemd gave no credentials."""
    if vault.key_file:
        return Path(vault.key_file)
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise InvalidRequest(
            f"vault.credential: there is no credential {vault.credential!r}: systemd gave none",
            hint=f"LoadCredential={vault.credential}:FILE in the unit, or `key-file` in [vault]",
        )
    return Path(directory) / vault.credential
