"""Sites that reach this site's vault through it."""

from typing import Literal, TypeAlias

from understudy.engine.values import Value

PeerState: TypeAlias = Literal["invited", "expired", "joined", "revoked"]


class PeerLimits(Value, frozen=True):
    """`prefix`: below which names of the served store all of its names are; empty: the whole store. `maintenance`: it may delete.
    `quota`: bytes of what it stored and is still there, each object counting 1 KiB more than it has; 0: any."""

    prefix: str = ""
    maintenance: bool = False
    quota: int = 0


class Peer(Value, frozen=True):
    """`used`: bytes, as its quota counts them. Instants are 0 where they have not come; `expires_at` is that of its registration key."""

    id: str
    name: str
    state: PeerState
    limits: PeerLimits
    used: int
    invited_at: int
    expires_at: int
    joined_at: int
    revoked_at: int


class Invitation(Value, frozen=True):
    """`key` lets the peer in, once; nobody can be told it again."""

    peer: Peer
    key: str


class Joined(Value, frozen=True):
    """`url`: how this site now names the other one's vault. `name`: what that calls this site. `credential`: the file that lets it in."""

    url: str
    name: str
    credential: str
