"""`understudy orphan`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "list": Entry("understudy.cli.orphan_list", "List what was put aside."),
    "drop": Entry("understudy.cli.orphan_drop", "Delete it for good."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Look after what images held beyond a point when they were brought back to it."""
