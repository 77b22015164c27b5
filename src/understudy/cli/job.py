"""`understudy job`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.job_show", "Show one job, with its steps and its result."),
    "cancel": Entry("understudy.cli.job_cancel", "Cancel a job, where that is safe."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Look at, or end, one of the daemon's long operations; `understudy jobs` lists them."""
