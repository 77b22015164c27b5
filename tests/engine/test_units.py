import pytest

from understudy.engine.units import line_of, line_words
from understudy.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100Mbit", 12.5e6),
        ("1 Gbit/s", 125e6),
        ("64kbit", 8e3),
        ("8bit", 1.0),
        ("12MiB/s", 12 << 20),
        ("1000", 1000.0),
        ("2.5gbit", 312.5e6),
    ],
)
def test_lines_are_read(text, rate):
    assert line_of(text) == rate


@pytest.mark.parametrize("text", ["", "0Mbit", "fast", "-1Mbit", "0", "100Mbits"])
def test_what_is_no_line_is_refused(text):
    with pytest.raises(InvalidRequest):
        line_of(text)


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0, "0 bit/s"), (1, "8 bit/s"), (175, "1.4 kbit/s"), (1.5e6, "12 Mbit/s"), (124.99e6, "1.0 Gbit/s"), (1.25e12, "10000 Gbit/s")],
)
def test_lines_are_told(rate, words):
    assert line_words(rate) == words
