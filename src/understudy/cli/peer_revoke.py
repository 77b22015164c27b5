"""`understudy peer revoke`."""

from pathlib import Path

import click

from understudy.cli.confirming import confirmed
from understudy.cli.output import Output
from understudy.cli.peer_words import here
from understudy.config.load import load


@click.command("revoke")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@here
def command(name: str, yes: bool, config: str, as_json: bool) -> None:
    """Let the peer NAME in no more: its connections are cut, and its registration key, if it was not used, is void."""
    from understudy.sites import revoke_peer

    out = Output(as_json)
    state = load(Path(config)).state_dir
    confirmed(yes, f"the peer {name} is let in no more, and can come back with a new registration key alone; what it stored stays")
    peer = revoke_peer(state, name)
    out.document(peer)
    out.say(f"the peer {peer.name!r} is let in no more")
