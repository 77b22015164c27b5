"""`understudy vault copy verify`."""

import click

from understudy.cli.progress import shown
from understudy.cli.second_words import machine_words
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine.units import count, duration
from understudy.errors import IntegrityError


@click.command("verify")
@click.argument("url")
@common
async def command(session: Session, url: str) -> None:
    """Prove that the copy at URL is whole: every object is what was written, and every kept point has all that it is read from.

    Nothing is decrypted but logs and maps, and the vault itself need not be there, nor named; where it is, its keys are compared. Whatever
    is damaged or missing is named, and the exit code is 6. To prove what the points hold, open the copy as a vault: understudy verify NAME
    --vault URL.
    """
    from understudy.app import open_seconds

    async with open_seconds(session.connection(vault=session.vault or url)) as seconds:
        with shown(session.output) as progress:
            done = await seconds.verify_second(url, progress)
    out = session.output
    out.document(done)
    for machine in done.machines:
        out.say(machine_words(machine))
    for key in done.keys or ():
        out.warn(f"key slot {key} opens the copy, and is not in the vault: if it was replaced, delete keys/{key} there")
    for damage in done.damage:
        out.say(f"DAMAGED {damage.name}: {damage.reason}", style="red")
    read = f"{count(done.objects, 'object')}, {size(done.read_bytes)} in {duration(done.seconds)}"
    if done.damage:
        out.say(f"the copy is not whole: {count(len(done.damage), 'thing')} damaged; {read}", style="bold red")
        raise click.exceptions.Exit(IntegrityError.exit_code)
    out.say(f"the copy is whole; {read}", style="bold")
