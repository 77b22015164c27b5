"""`understudy peer list`."""

from pathlib import Path

import click

from understudy.cli.output import Output, columns
from understudy.cli.peer_words import here, quota, rights
from understudy.cli.words import local_time, size
from understudy.config.load import load
from understudy.engine import Peer

_OUT = ("revoked", "expired")


@click.command("list")
@here
def command(config: str, as_json: bool) -> None:
    """List the sites that may reach this one's vault, and those that may no more."""
    from understudy.sites import peers

    out = Output(as_json)
    found = peers(load(Path(config)).state_dir)
    out.document(found)
    if not found:
        out.say("no peers")
        return
    table = columns("peer", "state", "since", "prefix", "may", "used", "quota", right=("used", "quota"))
    for peer in sorted(found, key=lambda peer: peer.state in _OUT):
        table.add_row(peer.name, peer.state, local_time(_since(peer))[:16], peer.limits.prefix or "-", *_may(peer))
    out.table(table)


def _since(peer: Peer) -> int:
    return {"invited": peer.invited_at, "expired": peer.expires_at, "joined": peer.joined_at, "revoked": peer.revoked_at}[peer.state]


def _may(peer: Peer) -> tuple[str, str, str]:
    if peer.state in _OUT:
        return "nothing", size(peer.used) if peer.used else "-", "-"
    return rights(peer), size(peer.used), quota(peer)
