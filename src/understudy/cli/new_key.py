"""Options that say what a new key opens with; `--key-file` and `--passphrase-file` say what opens the vault now."""

from collections.abc import Callable

import click


def new_key_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds `new_key_file` and `new_passphrase_file`; with neither, a passphrase is asked for."""
    file = click.option("--new-key-file", metavar="FILE", help="The new key opens with this key file (made, mode 0600, if missing).")
    phrase = click.option("--new-passphrase-file", metavar="FILE", help="The new key opens with the passphrase on this file's first line.")
    return file(phrase(function))
