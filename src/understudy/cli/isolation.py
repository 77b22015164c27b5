"""`understudy isolation`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking
from understudy.engine.units import seconds_of


@click.command("isolation")
@click.argument("name", shell_complete=machine_names)
@click.argument("pause_after", metavar="[SPAN|none]", required=False)
@asking
async def command(session: Session, name: str, pause_after: str | None) -> None:
    """Show, or say, after how long without the vault machine NAME is paused here: a span such as 60s, or none.

    A failover from another site waits that long before it starts the machine, so that it never runs twice.
    """
    async with session.daemon.opened() as service:
        if pause_after is None:
            found = await service.authority(name)
        else:
            found = await service.set_isolation(name, 0 if pause_after == "none" else round(seconds_of(pause_after)))
    session.output.document(found)
    seconds = found.isolation_seconds
    session.output.say(f"{found.machine} is paused after {seconds} s without the vault" if seconds else f"{found.machine} is never paused")
