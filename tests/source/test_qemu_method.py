"""The choice of a method, as a table."""

import pytest

from understudy.source.qemu_method import FLEECING, Capabilities, Refusal, Wanted, choose

OLD, NEW = (7, 2, 22), (10, 0, 13)


@pytest.mark.parametrize(
    ("capabilities", "wanted", "expected"),
    [
        (Capabilities(OLD), Wanted(), FLEECING),
        (Capabilities(NEW), Wanted(), FLEECING),
        (Capabilities(NEW, iothread=("vda",)), Wanted(), FLEECING),
        (Capabilities(OLD, iothread=("vda",)), Wanted(), "served by an iothread"),
    ],
)
def test_choice(capabilities, wanted, expected):
    found = choose(capabilities, wanted)
    if isinstance(found, Refusal):
        assert expected in found.reason
        assert found.hint
    else:
        assert found == expected
