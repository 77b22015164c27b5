"""`understudy peer limit`."""

from pathlib import Path

import click

from understudy.cli.output import Output
from understudy.cli.peer_words import here, quota_of, told
from understudy.config.load import load
from understudy.errors import InvalidRequest


@click.command("limit")
@click.argument("name")
@click.option("--prefix", metavar="NAME", help="Let it see nothing of what is served but what is below this; '': all.")
@click.option("--maintenance/--append-only", "maintenance", default=None, help="Let it delete; or create and read alone.")
@click.option("--quota", metavar="BYTES", help="Of what it stores and is still there, such as 500GiB; 0: any.")
@here
def command(name: str, prefix: str | None, maintenance: bool | None, quota: str | None, config: str, as_json: bool) -> None:
    """Change what the peer NAME may do, from its next request on. What is not named stays as it is."""
    from understudy.sites import limit_peer

    if prefix is None and maintenance is None and quota is None:
        raise InvalidRequest("nothing is to be changed", hint="say --prefix, --maintenance, --append-only or --quota")
    out = Output(as_json)
    peer = limit_peer(load(Path(config)).state_dir, name, prefix=prefix, maintenance=maintenance, quota=quota_of(quota))
    out.document(peer)
    out.say(f"{peer.name}: {told(peer)}")
