from understudy.vault.immutable.keeper import parts_of

KINDS = [("machines/m/maps/", ""), ("machines/m/objects/", ""), ("machines/m/packs/", "")]


def test_records_that_were_trimmed_are_not_listed_but_for_the_first() -> None:
    assert parts_of("machines/m", 0) == [("machines/m/log/", ""), *KINDS]
    first, rest = ("machines/m/log/0000000000000001", ""), ("machines/m/log/", "machines/m/log/0000000000000700")
    assert parts_of("machines/m", 700) == [first, rest, *KINDS]
