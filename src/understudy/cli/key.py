"""`understudy vault key`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "list": Entry("understudy.cli.key_list", "List the keys of a vault."),
    "add": Entry("understudy.cli.key_add", "Make a key for a source or an operator."),
    "rotate": Entry("understudy.cli.key_rotate", "Replace what opens a key."),
    "remove": Entry("understudy.cli.key_remove", "Remove a key."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Manage the keys that open a vault.

    An operator's key can restore and manages keys. A source's key can replicate, and can neither read recovery points nor
    remove any. A host that only replicates should hold nothing but a source's key.
    """
