import pytest

from understudy.demo.console import Acknowledgement, Verdict
from understudy.demo.report import Cycle, Failover, Point, judge, report

SECOND = 1_000_000_000


def verdict(**changes) -> Verdict:
    return Verdict(
        **{
            "fsck": (0, 0),
            "highest": 30,
            "present": 30,
            "missing": 0,
            "corrupt": 0,
            "torn": 0,
            "head": 30,
            "bytes": 1,
            "bad": (),
            **changes,
        }
    )


def cycle(number: int, **changes) -> Cycle:
    usual = {
        "frozen_at": number * SECOND,
        "cause": "delta",
        "scanned_blocks": 20,
        "changed_blocks": 10,
        "stored_bytes": 4096,
        "seconds": 0.1,
    }
    return Cycle(point=number, **{**usual, **changes})


@pytest.mark.parametrize(
    ("before", "found", "said"),
    [
        (30, verdict(), ""),
        (28, verdict(torn=1), ""),
        (31, verdict(), "records 31 to 31"),
        (30, verdict(present=29, missing=1, bad=(7,)), "1 records are missing (first: 7)"),
        (30, verdict(present=28, corrupt=2, bad=(7, 8)), "2 records are corrupt (first: 7, 8)"),
        (30, verdict(fsck=(0, 4)), "disk 1 (code 4)"),
        (30, verdict(head=29), "head names record 29"),
        (0, verdict(), "nothing is proven"),
    ],
)
def test_judgement(before: int, found: Verdict, said: str) -> None:
    problems = judge(before, found)
    assert said in "; ".join(problems)
    assert bool(problems) == bool(said)


def test_the_account() -> None:
    cycles = [
        cycle(1, cause="initial", changed_blocks=1000, stored_bytes=1 << 20, seconds=2.0),
        cycle(2),
        cycle(3, seconds=0.3),
        cycle(4, seconds=0.2),
    ]
    heard = [Acknowledgement(at=number * SECOND // 10, number=number) for number in range(1, 48)]
    failover = Failover(killed_at=5 * SECOND, noticed_at=5 * SECOND + 1, restored_at=6 * SECOND + 1, up_at=8 * SECOND + 1)
    seen = report("TCG", cycles, Point(number=4, id="ab", frozen_at=4 * SECOND), failover, heard, verdict(highest=40, present=40, head=40))
    assert (seen.initial_bytes, seen.initial_stored_bytes, seen.initial_seconds) == (4096000, 1 << 20, 2.0)
    assert (seen.cycles, seen.cycle_seconds) == (3, 0.2)
    assert (seen.dirty_bytes, seen.different_bytes, seen.sent_bytes, seen.ratio) == (245760, 122880, 12288, 10.0)
    assert (seen.rpo_seconds, seen.restore_seconds, seen.rto_seconds) == (1.0, 1.0, 3.0)
    assert (seen.acknowledged, seen.acknowledged_before_freeze, seen.recovered, seen.lost) == (47, 39, 40, 7)
    assert seen.problems == ()
