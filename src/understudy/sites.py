"""The composition root of what is said of other sites: who may reach this one's vault, and whom this one may reach."""

from pathlib import Path

from understudy.engine import Invitation, Joined, Peer, PeerLimits
from understudy.pairing.key import key_of
from understudy.peer import inviting
from understudy.store.peer.joining import join


def invite_peer(state_dir: str, site: str, address: str, name: str, limits: PeerLimits) -> Invitation:
    """A registration key for a new peer, who reaches this site at `address`."""
    return inviting.invite(_directory(state_dir), site, address, name, limits)


def peers(state_dir: str) -> tuple[Peer, ...]:
    return inviting.peers(_directory(state_dir))


def limit_peer(state_dir: str, named: str, *, prefix: str | None, maintenance: bool | None, quota: int | None) -> Peer:
    """From its next request on. None: as it was."""
    return inviting.limit(_directory(state_dir), named, prefix, maintenance, quota)


def revoke_peer(state_dir: str, named: str) -> Peer:
    """It is let in no more; a daemon that serves it cuts its connections within a second."""
    return inviting.revoke(_directory(state_dir), named)


async def join_site(key: str, state_dir: str, *, again: bool) -> Joined:
    """By a registration key that the other site made."""
    return await join(key_of(key), Path(state_dir), again=again)


def _directory(state_dir: str) -> Path:
    return Path(state_dir) / "peers"
