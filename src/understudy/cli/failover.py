"""`understudy failover`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "show": Entry("understudy.cli.failover_show", "Show where a machine stands, and what can be done."),
    "planned": Entry("understudy.cli.failover_planned", "Shut it down where it is, and start it here: nothing is lost."),
    "unplanned": Entry("understudy.cli.failover_unplanned", "Start it here from a point: its site is lost."),
    "start": Entry("understudy.cli.failover_start", "Start it again here, if it has ended."),
    "change-point": Entry("understudy.cli.failover_change_point", "Before the commit, go on from another point."),
    "cancel": Entry("understudy.cli.failover_cancel", "Before the commit, go back to where it was."),
    "drop": Entry("understudy.cli.failover_drop", "Drop what a run wrote that was given up."),
    "commit": Entry("understudy.cli.failover_commit", "Accept it."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Start a machine of another site on this one, as itself, and decide whether it stays.

    A failover ends with its commit; `understudy reprotect` replicates the machine the other way then. A failback is a planned failover by
    the site that it came from. Each command can be said again after it was interrupted, and goes on where it was.
    """
