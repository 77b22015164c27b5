"""The choice of a method, as a table."""

import pytest

from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, Capabilities, Refusal, Wanted, choose

ANCIENT, OLD, NEW = (6, 2, 0), (7, 2, 22), (10, 0, 13)
THREAD = ("vda",)


@pytest.mark.parametrize(
    ("capabilities", "wanted", "expected"),
    [
        (Capabilities(OLD), Wanted(), FLEECING),
        (Capabilities(NEW), Wanted(), FLEECING),
        (Capabilities(OLD, disks=2), Wanted(), FLEECING),
        (Capabilities(OLD), Wanted(allow_pause=True), FLEECING),
        (Capabilities(NEW, disks=2), Wanted(allow_pause=True), BREAK_SNAPSHOT),
        (Capabilities(ANCIENT), Wanted(allow_pause=True), FLEECING),
        (Capabilities(OLD, iothread=THREAD), Wanted(), PUSH),
        (Capabilities(OLD, iothread=THREAD), Wanted(allow_pause=True), PUSH),
        (Capabilities(NEW, iothread=THREAD), Wanted(), FLEECING),
        (Capabilities(NEW, iothread=THREAD), Wanted(allow_pause=True), FLEECING),
        (Capabilities(OLD, served=True), Wanted(), PUSH),
        (Capabilities(NEW, served=True), Wanted(allow_pause=True), PUSH),
        (Capabilities(OLD), Wanted(PUSH), PUSH),
        (Capabilities(OLD), Wanted(FLEECING, allow_pause=True), FLEECING),
        (Capabilities(NEW), Wanted(BREAK_SNAPSHOT), BREAK_SNAPSHOT),
        (Capabilities(NEW, disks=2), Wanted(BREAK_SNAPSHOT, allow_pause=True), BREAK_SNAPSHOT),
    ],
)
def test_choice(capabilities, wanted, expected):
    assert choose(capabilities, wanted) == expected


@pytest.mark.parametrize(
    ("capabilities", "wanted", "words"),
    [
        (Capabilities(OLD, iothread=THREAD), Wanted(FLEECING), "QEMU 7.2.22 would abort the guest"),
        (Capabilities(OLD, served=True), Wanted(FLEECING), "NBD server of somebody else's"),
        (Capabilities(NEW, iothread=THREAD), Wanted(BREAK_SNAPSHOT, allow_pause=True), "seen to stall"),
        (Capabilities(NEW, disks=2), Wanted(BREAK_SNAPSHOT), "while it stands still"),
        (Capabilities(ANCIENT), Wanted(BREAK_SNAPSHOT), "too old"),
        (Capabilities(OLD), Wanted(BREAK_SNAPSHOT), "not stable while the guest discards"),
    ],
)
def test_refusal(capabilities, wanted, words):
    found = choose(capabilities, wanted)
    assert isinstance(found, Refusal)
    assert words in found.reason
    assert found.hint
