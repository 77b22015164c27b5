"""`understudy vault key remove`."""

import click

from understudy.cli.confirming import confirmed
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("remove")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, key: str, yes: bool) -> None:
    """Remove KEY (an id from `key list`, or a label). The vault's last operator key stays."""
    async with session.engine() as engine:
        confirmed(yes, f"key {key} will open this vault no more, and what its holder signs from then on is void; there is no way back")
        removed = await engine.remove_key(key)
    session.output.document(removed)
    session.output.say(f"removed {removed.role} key {removed.label!r} ({removed.slot[:12]})")
    if removed.revoked:
        session.output.say(
            f"it was the last one of {removed.label!r}: what it wrote so far counts, nothing that it writes from now on does"
        )
