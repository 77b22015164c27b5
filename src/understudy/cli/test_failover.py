"""`understudy test-failover`."""

import click

from understudy.cli.check_words import FORMS, checks_of
from understudy.cli.completing import machine_names
from understudy.cli.drill_words import FAILED, drill_told
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session, asking
from understudy.engine import DrillNetwork, StartDrill, checked_drill
from understudy.engine.drills import LATEST, LATEST_APP, LATEST_PROCESSED
from understudy.engine.units import seconds_of
from understudy.errors import InvalidRequest


@click.command("test-failover")
@click.argument("which", metavar="NAME[@POINT]", shell_complete=machine_names)
@click.option("--point", metavar="POINT", help="As NAME@POINT.")
@click.option("--latest", "wish", flag_value=LATEST, help="The newest point. The default.")
@click.option("--latest-app", "wish", flag_value=LATEST_APP, help="The newest app-consistent point.")
@click.option("--latest-processed", "wish", flag_value=LATEST_PROCESSED, help="The point that this site's standby image holds.")
@click.option(
    "--network",
    type=click.Choice(["isolated", "mapped"]),
    default="isolated",
    show_default=True,
    help="Reached by nobody; or joined to what this site maps to its test networks.",
)
@click.option("checks", "--check", multiple=True, metavar="CHECK", help=f"Instead of its own: {FORMS}; no script. May be repeated.")
@click.option("--timeout", metavar="TIME", help="How long each of these may take; 5m if nothing says so.")
@click.option("--cleanup", is_flag=True, help="Remove it at once when it was looked at.")
@click.option("--keep-for", metavar="TIME", help="Remove it by itself after this time, such as 1h.")
@click.option("--note", default="", metavar="TEXT", help="Words that are kept with it.")
@asking
async def command(
    session: Session,
    which: str,
    point: str | None,
    wish: str | None,
    network: DrillNetwork,
    checks: tuple[str, ...],
    timeout: str | None,
    cleanup: bool,
    keep_for: str | None,
    note: str,
) -> None:
    """Start a copy of a machine from a point on this host, while its replication goes on, and look whether it is well.

    The copy has an identity of its own, and what it writes goes into overlays that are removed with it. It stands, for
    you to look at it, until `understudy drill cleanup`; only then does the test count.

    The exit code is 4 if it did not start, and 1 if it is not well.
    """
    name, text = split(which)
    if sum((point is not None, wish is not None, "@" in which)) > 1:
        raise InvalidRequest("several points are named", hint="name one: NAME@POINT, --point, --latest, --latest-app or --latest-processed")
    if timeout is not None and not checks:
        raise InvalidRequest("--timeout is of the checks that are named with --check")
    async with session.daemon.opened() as service:
        wanted = wish or LATEST
        if point is not None or "@" in which:
            wanted = select(name, await service.engine.points(name), point or text).id
        request = StartDrill(
            machine=name,
            point=wanted,
            network=network,
            checks=checks_of(checks, timeout) if checks else None,
            cleanup=cleanup,
            keep_for=seconds_of(keep_for, zero=True) if keep_for is not None else 0.0,
            note=note,
        )
        with shown(session.output) as progress:
            drill = await service.test_failover(checked_drill(request), progress)
    session.output.document(drill)
    drill_told(session.output, drill)
    if drill.outcome == "failed":
        raise click.exceptions.Exit(FAILED)
