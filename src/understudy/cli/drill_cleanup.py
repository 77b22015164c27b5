"""`understudy drill cleanup`."""

import re

import click

from understudy.cli.completing import machine_names
from understudy.cli.drill_words import drill_told
from understudy.cli.progress import shown
from understudy.cli.session import Session, asking
from understudy.engine import CleanUpDrill
from understudy.errors import NotFound


@click.command("cleanup")
@click.argument("which", metavar="NAME|ID", shell_complete=machine_names)
@click.option("--passed/--failed", "passed", default=None, help="What you say of it; without either, what its checks say counts.")
@click.option("--note", default="", metavar="TEXT", help="Words that are kept with it.")
@asking
async def command(session: Session, which: str, passed: bool | None, note: str) -> None:
    """Remove what a test failover started: that of machine NAME, or the one whose id is or begins with ID.

    Nothing of the copy is left then; only now does the test count, as a record in the machine's log.
    """
    async with session.daemon.opened() as service:
        machine, drill = which, ""
        standing = [found for found in await service.drills(None) if found.state != "cleaned"]
        if not any(which in (found.machine, found.machine_id) for found in standing) and re.fullmatch("[0-9a-f]{4,32}", which):
            found = await service.drill(which)
            machine, drill = found.machine_id, found.id
        elif not standing:
            raise NotFound("no test stands on this site", hint="`understudy drill list` shows those that are over")
        with shown(session.output) as progress:
            done = await service.clean_up_drill(CleanUpDrill(machine=machine, drill=drill, passed=passed, note=note), progress)
    session.output.document(done)
    drill_told(session.output, done)
