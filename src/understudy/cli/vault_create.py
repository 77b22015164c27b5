"""`understudy vault create`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import CreateVault, checked_name


@click.command("create")
@click.argument("url", required=False)
@click.option("--label", default="operator", show_default=True, help="Name of the vault's first key.")
@common
async def command(session: Session, url: str | None, label: str) -> None:
    """Make a new vault at URL, such as file:///srv/vault.

    The credential given (a key file, made with mode 0600 if it does not exist, a passphrase file, or a prompt) becomes the
    vault's first operator key. Nothing can be restored without an operator key: keep a copy of it away from this host.
    """
    request = CreateVault(label=checked_name("key", label))
    async with session.factory(session.connection(vault=url, creates=True)) as engine:
        info = await engine.create_vault(request)
    session.output.document(info)
    session.output.say(f"created vault {info.id} at {info.url}", style="bold")
    session.output.say(f"operator key {label!r} opens it with a {info.keys[0].kind.replace('-', ' ')}")
    if session.key_file:
        session.output.say(f"keep a copy of {session.key_file} elsewhere: without an operator key nothing can be restored")
