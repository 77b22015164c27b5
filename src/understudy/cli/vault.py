"""`understudy vault`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "copy": Entry("understudy.cli.vault_copy", "Keep a copy of the vault in another place."),
    "create": Entry("understudy.cli.vault_create", "Make a new vault."),
    "info": Entry("understudy.cli.vault_info", "Show a vault's machines and keys."),
    "uncover": Entry("understudy.cli.vault_uncover", "Bring back what somebody deleted or overwrote."),
    "promote": Entry("understudy.cli.vault_promote", "Make a copy of the vault the vault."),
    "key": Entry("understudy.cli.key", "Manage the keys that open a vault."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Create a vault, look at it, manage its keys, and bring back what was deleted."""
