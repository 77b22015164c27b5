"""`understudy vault copy create`."""

import shlex

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import CreateSecond


@click.command("create")
@click.argument("url")
@common
async def command(session: Session, url: str) -> None:
    """Make the empty place at URL a copy of the vault.

    Its key slots come with it: whoever can open the vault can open the copy. Nothing else is in it yet: a daemon copies the machines
    whose policies name it (`understudy policy set NAME --second URL`), or `understudy vault copy run URL` does. Repeat it if it is killed.
    """
    from understudy.app import open_seconds

    session.must_name_a_vault("a copy's making")
    async with open_seconds(session.connection()) as seconds:
        done = await seconds.create_second(CreateSecond(url=url))
    session.output.document(done)
    session.output.say(f"{url} is a copy of the vault now, without any machine yet", style="bold")
    typed = shlex.quote(url)
    session.output.say(f"next, for each machine: understudy policy set NAME --second {typed}; by hand: understudy vault copy run {typed}")
