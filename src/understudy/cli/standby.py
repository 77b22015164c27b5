"""`understudy standby`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "create": Entry("understudy.cli.standby_create", "Keep images of a machine's disks on this host."),
    "list": Entry("understudy.cli.standby_list", "List the standbys of this host."),
    "show": Entry("understudy.cli.standby_show", "Show what a standby's images hold."),
    "pause": Entry("understudy.cli.standby_pause", "Leave the images as they are."),
    "resume": Entry("understudy.cli.standby_resume", "Follow the machine again."),
    "verify": Entry("understudy.cli.standby_verify", "Read the images and compare them with their point."),
    "remove": Entry("understudy.cli.standby_remove", "Keep a machine's images no longer."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Keep images of a machine's disks on this host, always at its newest point."""
