"""What is certain to be gone counts no more; what is in doubt counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.engine import PeerLimits
from understudy.errors import AccessDenied, InvalidRequest
from understudy.peer.ledger import OVERHEAD, Ledger, OverQuota
from understudy.peer.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path)
    yield registry
    registry.close()


@pytest.fixture
def ledger(registry: Registry) -> Ledger:
    return Ledger(registry.database)


def _peer(registry: Registry, name: str, **limits: object) -> str:
    return registry.invite(name, PeerLimits(**limits)).peer.id  # type: ignore[arg-type]


def _used(registry: Registry, name: str) -> int:
    return next(peer.used for peer in registry.peers() if peer.name == name)


def test_a_quota_is_held_to_the_byte(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b", quota=10 * OVERHEAD, prefix="b")
    charged = ledger.charge(peer, "a", 8 * OVERHEAD)
    assert charged.name == "b/a"
    ledger.stored(charged)
    with pytest.raises(OverQuota, match="used up"):
        ledger.charge(peer, "c", 1)
    ledger.stored(ledger.charge(peer, "c", 0))
    assert _used(registry, "b") == 10 * OVERHEAD
    ledger.deleted("b/a")
    assert _used(registry, "b") == OVERHEAD
    ledger.must_have_room(peer, 8 * OVERHEAD)
    with pytest.raises(OverQuota):
        ledger.must_have_room(peer, 8 * OVERHEAD + 1)


def test_what_exists_already_is_not_charged_and_what_is_in_doubt_is(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    ledger.not_stored(ledger.charge(peer, "theirs", 100))
    assert _used(registry, "b") == 0
    ledger.charge(peer, "ours", 100)
    # Again, and then it is there: by the first attempt, for all that is known.
    ledger.not_stored(ledger.charge(peer, "ours", 100))
    assert _used(registry, "b") == 100 + OVERHEAD


def test_two_attempts_that_cross_charge_once(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    first, second = ledger.charge(peer, "a", 100), ledger.charge(peer, "a", 100)
    ledger.not_stored(first)
    ledger.stored(second)
    assert _used(registry, "b") == 100 + OVERHEAD
    ledger.deleted("a")
    assert _used(registry, "b") == 0


def test_one_that_another_peer_stored_anew_is_the_others(registry: Registry, ledger: Ledger) -> None:
    one, two = _peer(registry, "one"), _peer(registry, "two")
    ledger.stored(ledger.charge(one, "a", 100))
    ledger.stored(ledger.charge(two, "a", 200))
    assert (_used(registry, "one"), _used(registry, "two")) == (0, 200 + OVERHEAD)


def test_what_was_charged_since_a_look_is_not_taken_for_gone(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    for name in ("a", "b", "c"):
        ledger.stored(ledger.charge(peer, name, 0))
    ledger.charge(peer, "doubt", 0)
    rows = ledger.page(peer, "", 10)
    ledger.stored(ledger.charge(peer, "b", 0))
    ledger.gone(peer, rows)
    assert [row.name for row in ledger.page(peer, "", 10)] == ["b", "doubt"]
    assert _used(registry, "b") == 2 * OVERHEAD


def test_who_was_revoked_is_charged_for_nothing(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    with pytest.raises(InvalidRequest):
        ledger.charge(peer, "../a", 1)
    registry.revoke("b")
    with pytest.raises(AccessDenied):
        ledger.charge(peer, "a", 1)
