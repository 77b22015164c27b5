"""`understudy drill`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "list": Entry("understudy.cli.drill_list", "List this site's test failovers."),
    "show": Entry("understudy.cli.drill_show", "Show one, and what was on its screen."),
    "cleanup": Entry("understudy.cli.drill_cleanup", "Remove what a test failover started."),
    "checks": Entry("understudy.cli.drill_checks", "Say how a copy of a machine is known to be well."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Look at test failovers (`understudy test-failover` begins them), and end them."""
