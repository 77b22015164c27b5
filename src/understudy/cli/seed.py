"""`understudy seed`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "export": Entry("understudy.cli.seed_export", "Put a point, or an initial replication, into a directory."),
    "import": Entry("understudy.cli.seed_import", "Bring a directory's seed into the vault."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Carry a point, or an initial replication, by hand, where the line to the vault is too slow for it."""
