"""`understudy hold`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "add": Entry("understudy.cli.hold_add", "Keep a point until the hold is removed."),
    "list": Entry("understudy.cli.hold_list", "List a machine's holds."),
    "remove": Entry("understudy.cli.hold_remove", "Leave a point to the policy again."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Keep a recovery point whatever the policy says."""
