"""What is said on the serving site of those whom it serves: in its files, whether or not its daemon runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.engine import Invitation, Peer, PeerLimits
from understudy.errors import StateFailed
from understudy.pairing.address import address_of
from understudy.pairing.key import RegistrationKey
from understudy.peer.authority import authority_here
from understudy.peer.permits import Permits
from understudy.peer.registry import Registry


def invite(directory: Path, site: str, address: str, name: str, limits: PeerLimits) -> Invitation:
    """`address`: host:port, as the invited site reaches this one. `Conflict` if there is a peer of this name."""
    reached = address_of(address)
    with _open(directory) as registry:
        pin = authority_here(directory, site).pin
        peer, secret = registry.invite(name, limits)
    return Invitation(peer=peer, key=str(RegistrationKey(reached, pin, peer.id, secret)))


def peers(directory: Path) -> tuple[Peer, ...]:
    """All that were ever invited, by name."""
    with _open(directory) as registry:
        return registry.peers()


def limit(directory: Path, named: str, prefix: str | None, maintenance: bool | None, quota: int | None) -> Peer:
    """None: as it was. `NotFound`, or `Conflict` if it was revoked."""
    with _open(directory) as registry:
        return registry.limit(named, prefix=prefix, maintenance=maintenance, quota=quota)


def revoke(directory: Path, named: str) -> Peer:
    """As `limit`. Where the registry cannot be read the peer is let in no more all the same, and `StateFailed` says so."""
    try:
        with _open(directory) as registry:
            return registry.revoke(named)
    except StateFailed as error:
        if not Permits(directory).withdraw(named):
            raise
        message = f"the peer {named!r} is let in no more, but that could not be written down: {error.message}"
        raise StateFailed(message, hint="free space in the state directory: it is written down by itself then") from error


@contextmanager
def _open(directory: Path) -> Iterator[Registry]:
    registry = Registry(directory)
    try:
        yield registry
    finally:
        registry.close()
