"""Which record is kept, merged or dropped: a table."""

from pathlib import Path

import pytest

from understudy.source.qemu_bitmaps import Action, Bitmap, begin, bitmaps_of, settle, usable_base
from understudy.source.qemu_names import Names

NAMES = Names("0123456789abcdef" * 2, Path("/state"))
P, Q, R = "P", "Q", "R"


def record(name: str, recording: bool = True, node: str = "n", inconsistent: bool = False, dirty: int = 1) -> Bitmap:
    return Bitmap(node, name, dirty, recording, inconsistent)


def short(actions: list[Action]) -> list[str]:
    words = {"enable": "+", "remove": "-", "merge": "<", "add": "*", "disable": "!"}
    return [
        f"{words[kind.rpartition('-')[2]]}{data.get('name') or data['target']}" + "".join(f" {name}" for name in data.get("bitmaps", ()))
        for kind, data in actions
    ]


@pytest.mark.parametrize(
    ("present", "newest", "expected"),
    [
        ([], P, []),
        ([], None, []),
        ([record(P)], P, []),
        ([record(P)], None, ["-P"]),
        ([record(P), record(Q)], None, ["-P", "-Q"]),
        # A freeze that was not committed: the base goes on, with what the later one saw.
        ([record(P, False), record(Q)], P, ["+P", "<P Q", "-Q"]),
        # A freeze that was committed.
        ([record(P, False), record(Q)], Q, ["-P"]),
        # The base still records: what began later saw nothing that it did not.
        ([record(P), record(Q)], P, ["-Q"]),
        ([record(P, False), record(Q, False), record(R)], P, ["+P", "<P Q R", "-Q", "-R"]),
        # Nothing went on recording where the base ended: there is a gap, and the record stays to tell of it.
        ([record(P, False)], P, []),
        ([record(P, False), record(Q, False)], P, ["-Q"]),
        ([record(P, False), record(Q, inconsistent=True)], P, ["-Q"]),
        ([record(P, False, inconsistent=True), record(Q)], P, ["-Q"]),
        ([record(P, False)], Q, ["-P"]),
        # The base had no record on this node.
        ([record(Q)], P, ["-Q"]),
        # Each node for itself.
        ([record(P, False), record(Q), record(Q, node="m")], P, ["+P", "<P Q", "-Q", "-Q"]),
    ],
)
def test_settle(present, newest, expected):
    assert short(settle(present, newest)) == expected


@pytest.mark.parametrize(
    ("present", "name", "words"),
    [
        ([record(P)], None, "no earlier point"),
        ([], P, "restarted"),
        ([record(Q)], P, "or the vault lacks the newest points"),
        ([record(P, node="m")], P, "another node"),
        ([record(P, False)], P, "switched off"),
        ([record(P, inconsistent=True)], P, "inconsistent"),
    ],
)
def test_a_base_that_cannot_be_trusted(present, name, words):
    reason = usable_base(present, "n", name)
    assert isinstance(reason, str)
    assert words in reason


def test_a_base_that_can():
    assert usable_base([record(P, node="m"), record(P), record(Q)], "n", P) == record(P)


@pytest.mark.parametrize(
    ("known", "base", "expected"),
    [
        ([], "there is no earlier point", ["*Q"]),
        ([record(P)], record(P), ["*Q", "!P"]),
        # A record that does not count must not come back when this cycle fails.
        ([record(P, False)], "switched off", ["*Q", "-P"]),
        ([record(P, inconsistent=True)], "inconsistent", ["*Q", "-P"]),
        ([record(P, node="m")], "on another node", ["*Q"]),
        ([record(R)], "nowhere", ["*Q"]),
    ],
)
def test_begin(known, base, expected):
    assert short(begin(known, "n", Q, base, P)) == expected


def test_only_ours_are_seen():
    ours = NAMES.bitmap("ab" * 16)
    nodes = [
        {"node-name": "a"},
        {
            "node-name": "b",
            "dirty-bitmaps": [
                {"count": 5, "recording": False},
                {"name": "foreign", "count": 5, "recording": True},
                {"name": ours, "count": 5, "recording": True, "inconsistent": True},
                {"name": ours.replace("0123456789ab", "ffffffffffff"), "count": 5, "recording": True},
            ],
        },
    ]
    assert bitmaps_of(nodes, NAMES) == [Bitmap("b", ours, 5, True, True)]


def test_names_fit_into_qemus():
    assert max(len(name(999)) for name in (NAMES.overlay, NAMES.filter)) <= 31
    assert len(str(NAMES.socket)) <= 107
    long = Names(NAMES.machine, Path("/" + "x" * 200))
    assert len(str(long.socket)) <= 107
    assert long.socket == Names(NAMES.machine, Path("/" + "x" * 200)).socket
    assert long.socket != Names(NAMES.machine, Path("/" + "x" * 201)).socket
