"""What is certain to be gone counts no more; what is in doubt counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.engine import PeerLimits
from understudy.errors import AccessDenied, InvalidRequest, OverQuota
from understudy.peer.ledger import OVERHEAD, Ledger, QuotaHeld
from understudy.peer.registry import Registry
from understudy.store.protocol import ObjectInfo


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
    ledger.must_have_room(peer, "b/a", 8 * OVERHEAD)
    with pytest.raises(OverQuota):
        ledger.must_have_room(peer, "b/a", 8 * OVERHEAD + 1)


def test_what_is_charged_already_needs_no_room_of_its_own_again(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b", quota=10 * OVERHEAD, prefix="b")
    ledger.stored(ledger.charge(peer, "a", 8 * OVERHEAD))
    ledger.must_have_room(peer, "b/a", 8 * OVERHEAD)
    ledger.must_have_room(peer, "b/a", 9 * OVERHEAD)
    with pytest.raises(OverQuota):
        ledger.must_have_room(peer, "b/a", 9 * OVERHEAD + 1)
    with pytest.raises(OverQuota):
        ledger.must_have_room(peer, "b/other", 8 * OVERHEAD)


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


def test_an_attempt_that_outlives_what_was_deleted_is_charged_for(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    ledger.stored(ledger.charge(peer, "a", 100))
    again = ledger.charge(peer, "a", 200)
    ledger.deleted("a")
    ledger.failed(again)
    assert _used(registry, "b") == 200 + OVERHEAD
    [doubt] = ledger.doubts(peer, 9)
    ledger.missing(doubt)
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


def test_a_doubt_is_settled_by_a_look_unless_it_was_tried_again_since(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b", quota=1 << 20)
    for name in ("gone", "there", "again"):
        ledger.failed(ledger.charge(peer, name, 1000))
    assert [doubt.name for doubt in ledger.doubts(None, 9)] == ["gone", "there", "again"]
    gone, there, again = ledger.doubts(peer, 9)
    ledger.charge(peer, "again", 1000)
    for doubt in (gone, again):
        ledger.missing(doubt)
    # It is charged for what it has, whatever was to be stored.
    ledger.found(there, 10)
    assert [doubt.name for doubt in ledger.doubts(peer, 9)] == ["again"]
    assert _used(registry, "b") == 10 + 1000 + 2 * OVERHEAD


def test_what_is_in_doubt_is_not_called_used_up(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b", quota=4000)
    ledger.charge(peer, "a", 2000)
    with pytest.raises(QuotaHeld, match=r"0 B of 3\.9 KiB are stored, 3\.0 KiB are on their way or in doubt, and this takes 2\.0 KiB"):
        ledger.charge(peer, "b", 1000)
    with pytest.raises(OverQuota, match="used up") as caught:
        ledger.charge(peer, "b", 4000)
    assert not isinstance(caught.value, QuotaHeld)


def test_one_that_comes_back_is_charged_for_what_it_had_below_its_prefix(registry: Registry, ledger: Ledger) -> None:
    former = _peer(registry, "b", prefix="b")
    ledger.stored(ledger.charge(former, "a", 1000))
    registry.limit("b", prefix="b2")
    ledger.stored(ledger.charge(former, "a", 5))
    registry.revoke("b")
    peer, secret = registry.invite("b", PeerLimits(prefix="b"))
    registry.register(peer.id, secret, "k")
    assert [one.used for one in registry.peers()] == [5 + OVERHEAD, 1000 + OVERHEAD]
    assert [row.name for row in ledger.page(peer.id, "", 9)] == ["b/a"]


def test_what_nobody_who_is_let_in_is_charged_for_can_be_adopted(registry: Registry, ledger: Ledger) -> None:
    other, former, peer = (_peer(registry, name, prefix="b") for name in ("other", "former", "b"))
    ledger.stored(ledger.charge(other, "others", 1))
    ledger.stored(ledger.charge(former, "left", 2))
    registry.revoke("former")
    ledger.adopt(peer, [ObjectInfo(name, 3) for name in ("b/left", "b/nobodys", "b/others")])
    assert [row.name for row in ledger.page(peer, "", 9)] == ["b/left", "b/nobodys"]
    assert [_used(registry, name) for name in ("other", "former", "b")] == [1 + OVERHEAD, 0, 6 + 2 * OVERHEAD]


def test_who_was_revoked_is_charged_for_nothing(registry: Registry, ledger: Ledger) -> None:
    peer = _peer(registry, "b")
    with pytest.raises(InvalidRequest):
        ledger.charge(peer, "../a", 1)
    registry.revoke("b")
    with pytest.raises(AccessDenied):
        ledger.charge(peer, "a", 1)
