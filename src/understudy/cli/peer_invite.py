"""`understudy peer invite`."""

import click

from understudy.cli.output import Output
from understudy.cli.peer_words import here, quota_of, serving_config, told
from understudy.cli.words import local_time
from understudy.engine import PeerLimits


@click.command("invite")
@click.argument("name")
@click.option("--prefix", default="", metavar="NAME", help="Let it see nothing of what is served but what is below this.")
@click.option("--maintenance", is_flag=True, help="Let it delete, too: who keeps retention needs it; a source does not.")
@click.option("--quota", metavar="BYTES", help="Of what it stores and is still there, such as 500GiB; else as much as there is room.")
@click.option("--address", metavar="HOST:PORT", help="Where it reaches this site, if not where [peers] says.")
@here
def command(name: str, prefix: str, maintenance: bool, quota: str | None, address: str | None, config: str, as_json: bool) -> None:
    """Make a registration key for a site that is called NAME here.

    The key is printed once. It lets one site in, once, within five days: carry it there as you would a password.
    """
    from understudy.sites import invite_peer

    out = Output(as_json)
    found, peers = serving_config(config)
    limits = PeerLimits(prefix=prefix, maintenance=maintenance, quota=quota_of(quota) or 0)
    invitation = invite_peer(found.state_dir, found.site, address or peers.address, name, limits)
    out.document(invitation)
    out.say(invitation.key)
    if not as_json:
        # The key alone is the answer, so that it can be piped to where it is needed.
        until = local_time(invitation.peer.expires_at)[:16]
        click.echo(f"on {name}, before {until}: `understudy peer join -`, which reads this key from standard input", err=True)
        click.echo(told(invitation.peer), err=True)
