"""`understudy standby verify`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.progress import shown
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.standby_words import followed_told
from understudy.engine import FollowStandby


@click.command("verify")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@common
async def command(session: Session, name: str) -> None:
    """Bring MACHINE's images to its newest point, read all of them and compare; paused ones where they are.

    What has changed by itself is made good, and named.
    """
    async with session.engine() as engine:
        with shown(session.output) as progress:
            done = await engine.follow_standby(FollowStandby(machine=name, prove=True), progress)
    session.output.document(done)
    followed_told(session.output, done)
