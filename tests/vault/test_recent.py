from understudy.vault.log.recent import Recent


def test_the_oldest_go_first() -> None:
    recent = Recent(limit=10)
    for seq in range(1, 5):
        recent.put(seq, bytes(4))
    assert [recent.get(seq) is not None for seq in range(1, 5)] == [False, False, True, True]
    recent.put(4, bytes(2))
    recent.put(5, bytes(4))
    assert [recent.get(seq) is not None for seq in (3, 4, 5)] == [True, True, True]
    recent.put(6, bytes(100))
    assert [recent.get(seq) is not None for seq in (3, 4, 5, 6)] == [False, False, False, True]
