"""`understudy vault copy run`."""

import click

from understudy.cli.progress import shown
from understudy.cli.second_words import machine_words
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import BringSecond
from understudy.engine.units import count, duration


@click.command("run")
@click.argument("url")
@click.argument("machines", nargs=-1, metavar="[NAME]...")
@click.option("--collect", is_flag=True, help="Delete what the copy's own log says may go, and has known for its grace.")
@common
async def command(session: Session, url: str, machines: tuple[str, ...], collect: bool) -> None:
    """Bring the copy at URL on now: all machines, or those that are named.

    Only what is new is sent, each object proven on the way; records last and in order, so that the copy can be opened whenever this ends.
    Repeat it if it fails or is killed. With --collect, and an operator's key, collections of the vault are carried out in the copy, too:
    run it twice, the grace of the collection apart.
    """
    from understudy.app import open_seconds

    session.must_name_a_vault("a copy's bringing on")
    async with open_seconds(session.connection()) as seconds:
        with shown(session.output) as progress:
            done = await seconds.bring_second(BringSecond(url=url, machines=machines, collect=collect), progress)
    session.output.document(done)
    for machine in done.machines:
        session.output.say(machine_words(machine))
    gone = f"; {count(done.deleted, 'object')} deleted" if collect else ""
    session.output.say(f"{count(done.objects, 'object')} ({size(done.bytes)}) sent in {duration(done.seconds)}{gone}", style="bold")
