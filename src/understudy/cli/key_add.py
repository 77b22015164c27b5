"""`understudy vault key add`."""

import click

from understudy.cli.credentials import new_credential
from understudy.cli.new_key import new_key_options
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import AddKey, Role, checked_name


@click.command("add")
@click.option("--role", type=click.Choice(["source", "operator"]), required=True, help="What the key's holder may do.")
@click.option("--label", required=True, help="Name of the key, such as the host that will hold it.")
@new_key_options
@common
async def command(session: Session, role: Role, label: str, new_key_file: str | None, new_passphrase_file: str | None) -> None:
    """Make a key for a source or an operator."""
    checked_name("key", label)
    async with session.engine() as engine:
        key = await engine.add_key(AddKey(role=role, label=label, credential=new_credential(new_key_file, new_passphrase_file)))
    session.output.document(key)
    session.output.say(f"added {key.role} key {key.label!r} ({key.slot[:12]}), opens with a {key.kind.replace('-', ' ')}")
