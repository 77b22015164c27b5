"""Which points belong together, as the logs tell it."""

import random
import secrets

from understudy.vault import kinds
from understudy.vault.groups import instants
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))


def entry(seq: int, group: bytes = b"", members: tuple[bytes, ...] = (), at: int = 0) -> PointEntry:
    point = kinds.Point(
        id=secrets.token_bytes(16),
        parent=b"",
        generation=bytes(16),
        frozen_at=at or seq,
        consistency="crash",
        method="test",
        cause="delta",
        disks=(),
        group=group,
        group_name="shop" if group else "",
        members=members,
    )
    return PointEntry(seq, point)


def state(machine: bytes, *points: PointEntry) -> MachineState:
    return MachineState(id=machine.hex(), points=points)


def test_points_of_one_group_are_found_together() -> None:
    first, second = (entry(5, b"g" * 16, (A, B)), entry(9, b"g" * 16, (B, A)))
    (instant,) = instants([state(A, entry(4), first), state(B, second, entry(10)), state(C, entry(1))])
    assert instant.complete
    assert (instant.id, instant.name) == ((b"g" * 16).hex(), "shop")
    assert instant.points == {A.hex(): first, B.hex(): second}
    assert instant.frozen_at == 9


def test_a_point_without_its_companion_makes_no_whole() -> None:
    (instant,) = instants([state(A, entry(5, b"g" * 16, (A, B))), state(B)])
    assert not instant.complete
    assert instant.missing == (B.hex(),)


def test_who_is_not_named_by_the_others_does_not_belong() -> None:
    liar = state(C, entry(5, b"g" * 16, (A, B, C)), entry(6, b"g" * 16, (A, B)))
    found = instants([state(A, entry(5, b"g" * 16, (A, B))), state(B, entry(5, b"g" * 16, (A, B))), liar])
    assert [(instant.members, instant.complete) for instant in found] == [
        ((A.hex(), B.hex()), True),
        ((A.hex(), B.hex(), C.hex()), False),
    ]


def test_of_two_points_for_one_place_neither_counts() -> None:
    twice = state(B, entry(5, b"g" * 16, (A, B)), entry(6, b"g" * 16, (A, B)))
    (instant,) = instants([state(A, entry(5, b"g" * 16, (A, B))), twice])
    assert instant.missing == (B.hex(),)
    assert instants([twice]) == ()


def test_instants_are_in_the_logs_order_whatever_a_clock_said() -> None:
    seed = secrets.randbelow(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    ids = [rng.randbytes(16) for _ in range(40)]
    logs: dict[bytes, list[PointEntry]] = {A: [], B: [], C: []}
    for number, id_ in enumerate(ids):
        # A always takes part, and so tells the order of all.
        members = (A, *rng.sample([B, C], rng.randint(1, 2)))
        for machine in members:
            logs[machine].append(entry(number + 1, id_, tuple(members), rng.randint(1, 1000)))
    states = [state(machine, *points) for machine, points in logs.items()]
    rng.shuffle(states)
    assert [instant.id for instant in instants(states)] == [id_.hex() for id_ in ids]


def test_where_logs_do_not_tell_time_does() -> None:
    one = [entry(1, b"1" * 16, (A, B), at=30)]
    other = [entry(1, b"2" * 16, (C, B), at=20)]
    found = instants([state(A, *one), state(C, *other)])
    assert [instant.id for instant in found] == [(b"2" * 16).hex(), (b"1" * 16).hex()]


def test_logs_that_contradict_each_other_end_all_the_same() -> None:
    one, two = b"1" * 16, b"2" * 16
    first = state(A, entry(1, one, (A, B)), entry(2, two, (A, B)))
    second = state(B, entry(1, two, (A, B)), entry(2, one, (A, B)))
    assert {instant.id for instant in instants([first, second])} == {one.hex(), two.hex()}


def test_many_points_take_no_longer_than_many_points_must() -> None:
    ids = [number.to_bytes(16, "big") for number in range(1, 20_001)]
    states = [state(machine, *(entry(number + 1, id_, (A, B)) for number, id_ in enumerate(ids))) for machine in (A, B)]
    assert [instant.id for instant in instants(states)] == [id_.hex() for id_ in ids]
