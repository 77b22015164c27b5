"""`understudy network`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.network_show", "Show what a machine's network cards become here."),
    "set": Entry("understudy.cli.network_set", "Say how a machine comes up here."),
    "clear": Entry("understudy.cli.network_clear", "Take that back."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Say what a machine of another site is joined to when it is started on this one, and what its guest is given there.

    What holds for all machines of a site stands in [[networks]] of this site's configuration; what is set here counts before it.
    """
