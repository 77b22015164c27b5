"""`understudy plan`: its subcommands by name, and what they share."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "set": Entry("understudy.cli.plan_set", "Keep a plan in the vault."),
    "show": Entry("understudy.cli.plan_show", "Print a plan."),
    "list": Entry("understudy.cli.plan_list", "List the vault's plans."),
    "remove": Entry("understudy.cli.plan_remove", "Remove a plan."),
    "check": Entry("understudy.cli.plan_check", "Say what a run would do, and what would keep it from it."),
    "run": Entry("understudy.cli.plan_run", "Run a plan."),
    "status": Entry("understudy.cli.plan_status", "Show how far a run is, and what it waits for."),
    "confirm": Entry("understudy.cli.plan_confirm", "Say that what a step waits for is done."),
    "retry": Entry("understudy.cli.plan_retry", "Do a step that failed once more."),
    "skip": Entry("understudy.cli.plan_skip", "Go on without a step."),
    "abort": Entry("understudy.cli.plan_abort", "Begin nothing more."),
    "runs": Entry("understudy.cli.plan_runs", "List runs."),
    "report": Entry("understudy.cli.plan_report", "Show or export the report of a run."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Bring many machines up in order.

    A recovery plan has groups, one after the other; the machines of a group are brought up at once. Before and after each group programs
    are run and people asked. The vault keeps plans and the reports of their runs, so that they are there when a site is lost; an
    operator's key sets them, the daemon runs them.
    """
