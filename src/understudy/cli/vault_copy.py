"""`understudy vault copy`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "create": Entry("understudy.cli.vault_copy_create", "Make an empty place a copy of the vault."),
    "run": Entry("understudy.cli.vault_copy_run", "Bring a copy on now."),
    "verify": Entry("understudy.cli.vault_copy_verify", "Prove that a copy is whole."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Keep a copy of the vault in another place, the second vault: make it, bring it on, prove it."""
