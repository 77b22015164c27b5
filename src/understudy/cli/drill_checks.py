"""`understudy drill checks`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.drill_checks_show", "Show a machine's checks."),
    "set": Entry("understudy.cli.drill_checks_set", "Say what they are from now on."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Say how a copy of a machine is known to be well.

    Where nobody says so: by its guest's agent, if its definition has a channel to one; else it must run for 30 seconds.
    """
