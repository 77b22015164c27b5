"""`understudy retention`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.retention_show", "Show a machine's policy."),
    "set": Entry("understudy.cli.retention_set", "Give a machine a policy."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Say which recovery points of a machine a prune keeps.

    Without a policy all stay. Whatever a policy says, the newest point stays, the newest verified and the newest app-consistent
    one, that of the newest whole group, and every one that is held.
    """
