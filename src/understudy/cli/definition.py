"""`understudy definition`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.definition_show", "Show what a machine is started from."),
    "set": Entry("understudy.cli.definition_set", "Say what a machine is started from."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """See and say what a machine is made of: processors, memory, firmware, disks, network cards.

    Each point of a running VM carries its own. A definition that is given here counts in their place, until it is taken back.
    """
