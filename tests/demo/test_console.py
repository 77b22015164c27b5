from understudy.demo.console import Acknowledgement, Line, LineSplitter, Verdict, acknowledged_before


def test_lines_are_put_together_from_any_pieces():
    splitter = LineSplitter()
    assert splitter.feed(b"@up 1.", 1) == []
    assert splitter.feed(b"5\r\n@ack 1\r\n@a", 2) == [Line(2, "@up 1.5"), Line(2, "@ack 1")]
    assert splitter.feed(b"ck 2\n", 3) == [Line(3, "@ack 2")]


def test_values_are_found_by_their_whole_word():
    assert Line(0, "@ack 12").value_of("ack") == "12"
    assert Line(0, "@acknowledged 12").value_of("ack") is None
    assert Line(0, "@shell").value_of("shell") == ""
    assert Line(0, "ack 12").value_of("ack") is None


def test_only_what_arrived_before_the_instant_counts():
    heard = [
        Acknowledgement(at=10, number=1),
        Acknowledgement(at=20, number=2),
        Acknowledgement(at=20, number=3),
        Acknowledgement(at=30, number=4),
    ]
    assert [acknowledged_before(heard, instant) for instant in (5, 10, 11, 20, 21, 99)] == [0, 0, 1, 1, 3, 4]
    assert acknowledged_before([], 5) == 0


def test_a_verdict_is_sound_only_if_nothing_is_wrong():
    good = {"fsck": (0, 0), "highest": 9, "present": 9, "missing": 0, "corrupt": 0, "torn": 1, "head": 9, "bytes": 1, "bad": ()}
    assert Verdict(**good).sound
    for wrong in ({"fsck": (0, 4)}, {"present": 8, "missing": 1}, {"present": 8, "corrupt": 1}):
        assert not Verdict(**{**good, **wrong}).sound
