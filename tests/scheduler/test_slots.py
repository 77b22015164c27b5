"""Who begins: nearest deadline first, bounded, and nobody starves."""

import random

from understudy.scheduler.slots import HEAVY, LIGHT, LONG, Ready, Running, choose, weight

PLENTY = 1 << 40


def ready(name: str, deadline: float, *, slow: bool = False, weight: int = LIGHT, express: bool = False) -> Ready:
    return Ready(name, deadline, slow, weight, express)


def names(chosen: list[Ready]) -> list[str]:
    return [one.machine for one in chosen]


def test_the_nearest_deadline_begins_first() -> None:
    waiting = [ready("c", 30), ready("a", 10), ready("b", 20)]
    assert names(choose(waiting, [], 0, 2, PLENTY)) == ["a", "b"]


def test_who_is_waited_for_comes_before_all_others() -> None:
    assert names(choose([ready("a", 1), ready("z", 99, express=True)], [], 0, 1, PLENTY)) == ["z"]


def test_no_more_than_so_many_run() -> None:
    running = [Running(str(i), 0, False, LIGHT) for i in range(4)]
    assert choose([ready("a", 0)], running, 1, 4, PLENTY) == []


def test_cycles_that_take_long_do_not_hold_up_the_others() -> None:
    running = [Running(str(i), 0, i < 2, LIGHT) for i in range(4)]
    waiting = [ready("fast", 5), ready("slow", 1, slow=True)]
    assert choose(waiting, running, LONG, 4, PLENTY) == []
    assert names(choose(waiting, running, LONG + 1, 4, PLENTY)) == ["fast"]


def test_the_bound_is_twice_the_number_whatever_happens() -> None:
    running = [Running(str(i), 0, True, LIGHT) for i in range(8)]
    assert choose([ready("fast", 5)], running, 1000, 4, PLENTY) == []


def test_what_does_not_fit_into_memory_waits_and_alone_fits_always() -> None:
    heavy = ready("heavy", 1, weight=HEAVY)
    assert names(choose([heavy, ready("light", 2)], [Running("r", 0, False, LIGHT)], 1, 4, HEAVY)) == ["light"]
    assert names(choose([heavy], [], 1, 4, LIGHT)) == ["heavy"]


def test_weights_follow_what_was_stored_last() -> None:
    assert weight([], initial=False) == HEAVY
    assert weight([0, 0], initial=True) == HEAVY
    assert weight([0, 0, 0], initial=False) == LIGHT
    assert weight([1 << 40, 0, 0, 0], initial=False) == LIGHT
    assert weight([10 << 20], initial=False) == LIGHT + (20 << 20)


def test_fast_machines_keep_their_deadlines_beside_slow_ones() -> None:
    """A simulated hour: 40 machines of 10 s with 0.2 s cycles, and 30 whose cycles take from 15 to 300 s."""
    rng = random.Random(1)
    now, running = 0.0, {}
    due = {f"fast{i}": rng.uniform(0, 10) for i in range(40)} | {f"slow{i}": 0.0 for i in range(30)}
    late, made, most = 0.0, dict.fromkeys(due, 0), 0
    while now < 3600:
        for name in [name for name, (end, _) in running.items() if end <= now]:
            del running[name]
            due[name] = now + (10 if name.startswith("fast") else 60)
        waiting = [ready(name, at + 20, slow=name.startswith("slow")) for name, at in due.items() if at <= now and name not in running]
        chosen = choose(waiting, [one for _, one in running.values()], now, 4, PLENTY)
        for one in chosen:
            assert one.machine not in running
            if not one.slow:
                late = max(late, now - due[one.machine])
            made[one.machine] += 1
            length = rng.uniform(15, 300) if one.slow else 0.2
            running[one.machine] = now + length, Running(one.machine, now, one.slow, LIGHT)
        most = max(most, len(running))
        now += 0.1
    assert late < 10, "a fast machine waited for longer than its interval"
    assert min(made.values()) >= 2, "somebody starved"
    assert most <= 8
