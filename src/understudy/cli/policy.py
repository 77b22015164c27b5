"""`understudy policy`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.policy_show", "Show how a machine is replicated."),
    "set": Entry("understudy.cli.policy_set", "Say how a machine is replicated."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Say when, how fast and how often the daemon replicates a machine."""
