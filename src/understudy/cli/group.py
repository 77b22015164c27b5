"""`understudy group`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "create": Entry("understudy.cli.group_create", "Make a group of machines."),
    "list": Entry("understudy.cli.group_list", "List groups and how whole their points are."),
    "remove": Entry("understudy.cli.group_remove", "Forget a group; its machines and points stay."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Freeze several machines at one instant.

    The machines of a group are paused together for some milliseconds, so that their points fit each other: what one
    machine had told another before, that one has heard of. `understudy replicate --group` makes such points,
    `understudy restore --group` brings all machines back to one of them.
    """
