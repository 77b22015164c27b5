"""Which points a policy keeps, with tables; and what a clock that jumps, or lies, may do to it: keep more, never less."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from tests.vault.worlds import a_point
from understudy.vault.kinds import Hold, Retention
from understudy.vault.maps.points import PointEntry
from understudy.vault.retention.decide import Circumstances, Decision, decide
from understudy.vault.retention.times import ages, believed

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
MONDAY = 1_767_571_200 * SECOND  # 2026-01-05, 00:00 UTC


def entries(times: Sequence[int]) -> list[PointEntry]:
    """Each laid on the one before."""
    return [
        PointEntry(seq, msgspec.structs.replace(a_point(seq.to_bytes(16, "big"), (seq - 1).to_bytes(16, "big")), frozen_at=at))
        for seq, at in enumerate(times, 3)
    ]


def kept(times: Sequence[int], policy: Retention, given: Circumstances | None = None) -> list[int]:
    """Indexes of those that stay; the clock shows the time of the newest, if nothing else is given."""
    decisions = decide(entries(times), policy, given or Circumstances(now=times[-1]))
    assert all(decision.reasons for decision in decisions)
    return [index for index, decision in enumerate(decisions) if decision.keep]


def every(step: int, count: int, start: int = MONDAY) -> list[int]:
    return [start + step * index for index in range(count)]


def test_without_a_policy_everything_stays() -> None:
    assert all(decision.keep for decision in decide(entries(every(HOUR, 5)), None, Circumstances(now=0)))
    assert decide([], Retention(), Circumstances(now=0)) == ()


TABLE: list[tuple[str, Retention, list[int], list[int]]] = [
    ("nothing but the newest", Retention(), every(HOUR, 5), [4]),
    ("at least three", Retention(least=3), every(HOUR, 5), [2, 3, 4]),
    ("all for three hours", Retention(all_for=3 * 3600), every(HOUR, 8), [5, 6, 7]),
    ("two an hour, one of each kept", Retention(hourly=3), every(HOUR // 2, 8), [3, 5, 7]),
    ("one a day for three days", Retention(daily=3), every(6 * HOUR, 20), [11, 15, 19]),
    ("a week ends with its Sunday", Retention(weekly=2), every(DAY, 10), [6, 9]),
    ("months", Retention(monthly=3), every(DAY, 86), [26, 54, 85]),
    ("all, then hourly, then daily", Retention(all_for=7200, hourly=4, daily=2), every(HOUR // 2, 96), [47, 89, 91, 92, 93, 94, 95]),
]


@pytest.mark.parametrize(("what", "policy", "times", "stays"), TABLE, ids=[row[0] for row in TABLE])
def test_policies(what: str, policy: Retention, times: list[int], stays: list[int]) -> None:
    assert kept(times, policy) == stays


def reasons_of(points: list[PointEntry], policy: Retention, given: Circumstances) -> dict[int, tuple[str, ...]]:
    return {decision.entry.seq: decision.reasons for decision in decide(points, policy, given) if decision.keep}


def test_what_stays_whatever_the_policy_says() -> None:
    points = entries(every(HOUR, 8))
    points[2] = PointEntry(5, msgspec.structs.replace(points[2].point, consistency="app"))
    for index in (3, 4):
        points[index] = PointEntry(index + 3, msgspec.structs.replace(points[index].point, group=bytes([index]) * 16))
    hold = Hold(id=b"h" * 16, point=points[0].point.id, reason="drill")
    given = Circumstances(
        now=points[-1].point.frozen_at,
        holds=[hold],
        verified={points[0].point.id, points[1].point.id},
        whole={b"\3" * 16},
        wanted={b"\4" * 16: "db"},
    )
    assert reasons_of(points, Retention(), given) == {
        3: ("held: drill",),
        4: ("the newest verified one",),
        5: ("the newest app-consistent one",),
        6: ("of the newest whole group",),
        7: ("db keeps its point of the same group",),
        10: ("the newest",),
    }


def test_each_decision_is_explained() -> None:
    decisions: dict[int, Decision] = {
        decision.entry.seq: decision
        for decision in decide(entries(every(HOUR // 2, 96)), Retention(hourly=2, daily=1), Circumstances(now=every(HOUR // 2, 96)[-1]))
    }
    assert decisions[98].reasons == ("the newest", "the newest of its hour", "the newest of its day")
    assert (decisions[97].keep, decisions[97].reasons) == (False, ("point 98 stands for its hour",))
    assert (decisions[90].keep, decisions[90].reasons) == (False, ("point 98 stands for its day",))
    assert (decisions[10].keep, decisions[10].reasons) == (False, ("older than everything that the policy keeps",))


POLICY = Retention(all_for=6 * 3600, hourly=24, daily=7)
PLAIN = every(HOUR // 2, 300)


def test_a_clock_that_jumps_evicts_nothing() -> None:
    """Whatever happened to the clock in between, what is young when counted in points stays."""
    honest = kept(PLAIN, POLICY)
    for offset in (-40 * 365 * DAY, -DAY, DAY, 10 * 365 * DAY):
        # From some point on it is wrong; or it was wrong for a while.
        for end in (300, 290):
            jumped = [at + offset if 280 <= index < end else at for index, at in enumerate(PLAIN)]
            for now in (PLAIN[-1], jumped[-1], PLAIN[-1] + offset):
                stays = kept(jumped, POLICY, Circumstances(now=now))
                assert set(stays) >= set(range(289, 300)), (offset, end)
                assert len(stays) >= len(honest) - 2, (offset, end)
    # One that stood at 1970 until it was set.
    assert set(kept([index * HOUR // 2 for index in range(290)] + PLAIN[290:], POLICY)) >= set(range(289, 300))


def test_a_flood_of_points_evicts_nothing_early() -> None:
    """A source that has gone bad may write points as it likes, with any times: what its operator's clock calls young stays."""
    honest = kept(PLAIN, POLICY)
    now = PLAIN[-1] + HOUR
    flood = [PLAIN[-1] + index * 30 * DAY for index in range(1, 500)]
    young = [index for index in honest if now - PLAIN[index] < 6 * HOUR]
    stays = kept([*PLAIN, *flood], POLICY, Circumstances(now=now))
    assert set(stays) >= set(young)
    assert len([index for index in stays if index < len(PLAIN)]) >= len(honest) - 2


def test_the_wrong_time_on_this_host_evicts_nothing() -> None:
    for now in (0, PLAIN[-1] + 50 * 365 * DAY):
        assert set(kept(PLAIN, POLICY, Circumstances(now=now))) >= set(kept(PLAIN, POLICY))


def test_pruning_again_drops_nothing_more() -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    for _ in range(30):
        times = [MONDAY]
        for _ in range(200):
            times.append(times[-1] + rng.randrange(HOUR))
        policy = Retention(all_for=rng.randrange(0, 90000), hourly=rng.randrange(9), daily=rng.randrange(9), weekly=rng.randrange(3))
        points = entries(times)
        once = decide(points, policy, Circumstances(now=times[-1]))
        dropped = {decision.entry.point.id for decision in once if not decision.keep}
        # While the log still has the dropped ones, and when they are gone.
        for known in (points, [entry for entry in points if entry.point.id not in dropped]):
            again = decide(known, policy, Circumstances(now=times[-1], dropped=dropped))
            assert [d.entry.seq for d in again if d.keep] == [d.entry.seq for d in once if d.keep], f"seed {seed}"


def test_believed_times() -> None:
    assert (believed([]), ages([])) == ([], [])
    assert (believed(entries([5])), ages(entries([5]))) == ([5], [0])
    assert believed(entries(PLAIN)) == PLAIN
    assert ages(entries(PLAIN)) == [PLAIN[-1] - at for at in PLAIN]
    times = believed(entries([*PLAIN[:5], PLAIN[5] - DAY, PLAIN[6] - DAY]))
    assert times == sorted(times)
    assert times[-1] == PLAIN[6] - DAY
    # A month without any cycle counts as some hours; between points of which others were dropped it is a month.
    silent = entries([*PLAIN[:5], PLAIN[4] + 30 * DAY])
    assert ages(silent)[4] == 2 * HOUR
    assert ages([silent[3], silent[5]])[0] == 30 * DAY + HOUR // 2
