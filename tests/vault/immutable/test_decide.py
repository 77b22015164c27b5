from understudy.store.locks import Stored, Terms, Version
from understudy.vault.immutable.decide import Known, Order, Plan, Rule, Wanted, covers, original, plan, spare

DAY = 86400.0
NOW = 1000 * DAY
WANTED = Wanted(NOW, 14 * DAY, 3600)


def version(id: str, at: float = NOW - DAY, *, latest: bool = False, tag: str = "ours", marker: bool = False) -> Version:
    return Version(id, at, latest, marker, 0 if marker else 10, "" if marker else tag)


def alone(name: str, at: float = NOW - DAY) -> Stored:
    return Stored(name, (version(f"{name}1", at, latest=True),))


def deleted(name: str, at: float) -> Stored:
    return Stored(name, (version(f"{name}1"),), (version(f"{name}2", at, latest=True, marker=True),))


def planned(*found: Stored, known: dict[str, Known] | None = None, rule: Rule | None = None) -> Plan:
    return plan(found, known or {}, rule or Rule(), WANTED)


def test_what_is_new_is_locked_for_longer_than_it_must_be() -> None:
    found = planned(alone("a"), alone("b"))
    assert found.orders == (Order("a", "a1"), Order("b", "b1"))
    assert found.until == found.held == NOW + 14 * DAY + spare(14 * DAY)
    assert spare(14 * DAY) == 3.5 * DAY
    assert spare(DAY) == DAY
    assert found.objects == 2


def test_what_is_locked_for_long_enough_is_left_until_the_next_turn() -> None:
    known = {"a": Known("a1", NOW + 14 * DAY + 3600), "b": Known("b1", NOW + 14 * DAY + 3599), "c": Known("c1", NOW + 2 * DAY)}
    found = planned(*map(alone, "abcd"), known=known)
    assert [order.name for order in found.orders] == ["d", "c", "b"]  # what ends first comes first
    assert found.held == NOW + 14 * DAY + 3600
    assert found.known == known


def test_a_lock_on_another_version_is_none_and_what_was_locked_and_is_gone_is_told() -> None:
    found = planned(alone("a"), known={"a": Known("gone", NOW + DAY), "b": Known("b1", NOW + DAY)})
    assert found.orders == (Order("a", "a1"),)
    assert found.lost == ("a",)
    assert planned(alone("a"), known={"a": Known("gone", NOW - 1)}).lost == ()


def test_the_stores_own_rule_counts_from_when_it_was_seen_to_be_one() -> None:
    rule = Rule(20 * DAY, NOW - 2 * DAY)
    found = planned(alone("old", NOW - 3 * DAY), alone("new"), rule=rule)
    assert [order.name for order in found.orders] == ["old"]
    assert found.sample == (Order("new", "new1"), NOW + 19 * DAY)
    assert found.held == NOW + 17.5 * DAY
    assert rule.now(Terms(NOW, 20 * DAY)) == rule
    assert rule.now(Terms(NOW, 30 * DAY)) == Rule(30 * DAY, NOW + 2)
    assert Rule().locks(version("a")) == 0


def test_what_was_covered_while_it_was_locked_is_told_and_locked_on() -> None:
    known = {name: Known(f"{name}1", NOW + DAY) for name in "ab"}
    overwritten = Stored("b", (version("b2", NOW, latest=True, tag="theirs"), version("b1")))
    found = planned(deleted("a", NOW - 60), overwritten, known=known)
    assert found.covered == ("a", "b")
    assert [order.version for order in found.orders] == ["a1", "b1"]


def test_what_was_covered_when_no_lock_held_it_is_nobodys_fault() -> None:
    found = planned(deleted("a", NOW - 60), known={"a": Known("a1", NOW - 3600)})
    assert (found.covered, found.orders, found.objects, found.held) == ((), (), 0, 0.0)


def test_only_markers_are_nothing() -> None:
    assert planned(Stored("a", (), (version("m", latest=True, marker=True),))).objects == 0


def test_our_version_is_the_first_or_the_last_before_the_vault_was_whole() -> None:
    versions = tuple(version(id, at) for id, at in (("theirs", 300.0), ("second try", 100.0), ("first try", 50.0)))
    stored = Stored("vault", versions)
    found = [original(stored, born) for born in (0.0, 100.0, 250.0)]
    assert [ours.id for ours in found if ours] == ["first try", "second try", "second try"]
    assert original(Stored("vault", ())) is None


def test_bytes_that_were_laid_on_top_again_cover_nothing() -> None:
    ours = version("1", 50.0)
    marker = version("m", 60.0, marker=True)
    again = Stored("a", (version("3", 70.0, latest=True), ours), (marker,))
    assert covers(again, ours) == ()
    theirs = Stored("a", (version("3", 70.0, latest=True, tag="theirs"), ours), (marker, version("before", 40.0, marker=True)))
    assert [version.id for version in covers(theirs, ours)] == ["3", "m"]
