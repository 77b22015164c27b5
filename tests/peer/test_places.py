from understudy.peer.places import Places


def test_who_has_most_makes_place_and_of_its_own_the_oldest() -> None:
    places: Places[str] = Places(4)
    for one in ("a1", "b1", "a2", "a3"):
        assert places.enter(one[0], one) is None
    assert places.enter("c", "c1") == "a1"
    # It lost its place before.
    places.leave("a", "a1")
    assert len(places) == 4
    assert places.enter("a", "a4") == "a2"
    places.leave("a", "a3")
    places.leave("b", "b1")
    assert len(places) == 2


def test_however_many_one_group_sends_a_smaller_one_stays() -> None:
    places: Places[tuple[str, int]] = Places(8)
    for number in range(3):
        places.enter("peer", ("peer", number))
    lost = [places.enter("flood", ("flood", number)) for number in range(1000)]
    assert {one[0] for one in lost if one} == {"flood"}
    assert len(places) == 8
