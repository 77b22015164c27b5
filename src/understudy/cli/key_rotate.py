"""`understudy vault key rotate`."""

import click

from understudy.cli.credentials import new_credential
from understudy.cli.new_key import new_key_options
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import RotateKey


@click.command("rotate")
@click.argument("key")
@new_key_options
@common
async def command(session: Session, key: str, new_key_file: str | None, new_passphrase_file: str | None) -> None:
    """Replace what opens KEY (an id from `key list`, or a label): the old credential opens nothing from then on."""
    async with session.engine() as engine:
        rotated = await engine.rotate_key(RotateKey(slot=key, credential=new_credential(new_key_file, new_passphrase_file)))
    session.output.document(rotated)
    session.output.say(f"{rotated.role} key {rotated.label!r} is {rotated.slot[:12]} now, opens with a {rotated.kind.replace('-', ' ')}")
    if session.remote:
        # Only its holder can replace a slot, and that is the daemon.
        session.output.warn(
            "the daemon opens its vault with this key: name the new credential in its configuration before it is started again"
        )
