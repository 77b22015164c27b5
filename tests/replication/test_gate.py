"""The meeting of a group's machines: nobody goes on before all are there, and nobody waits for one that will not come."""

import asyncio

import pytest

from understudy.errors import SourceRefused, SourceUnavailable
from understudy.replication.gate import Assembly, MemberGate

NAMES = ("a", "b", "c")
LONG = 3600.0


async def freeze(gate: MemberGate, told: list[str], standing: set[str]) -> None:
    await gate.prepared()
    await gate.ready()
    standing.add(gate.member)
    try:
        await gate.stopped()
        assert standing == set(NAMES)
        told.append(gate.member)
        await gate.frozen()
        assert sorted(told) == sorted(NAMES)
    finally:
        standing.discard(gate.member)


async def test_all_stand_still_at_one_instant() -> None:
    assembly, told, standing = Assembly(NAMES, LONG), [], set()
    await asyncio.gather(*(freeze(assembly.gate(name), told, standing) for name in NAMES))
    assert not standing


@pytest.mark.parametrize("at", [0, 1, 2, 3])
async def test_one_that_fails_lets_all_others_go(at: int) -> None:
    assembly = Assembly(NAMES, LONG)

    async def walk(name: str, steps: int) -> None:
        gate = assembly.gate(name)
        for step in (gate.prepared, gate.ready, gate.stopped, gate.frozen)[:steps]:
            await step()

    others = [asyncio.ensure_future(walk(name, 4)) for name in ("a", "b")]
    await walk("c", at)
    assembly.gate("c").broken(SourceRefused("out of order"))
    for outcome in await asyncio.gather(*others, return_exceptions=True):
        assert isinstance(outcome, SourceUnavailable)
        assert "because of c: out of order" in str(outcome)
    assert assembly.culprit == "c"


async def test_one_that_does_not_stand_still_in_time_is_named() -> None:
    assembly = Assembly(NAMES, 0.05)
    outcomes = await asyncio.gather(*(assembly.gate(name).stopped() for name in ("a", "b")), return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, SourceUnavailable)
        assert "because of c: it did not stand still within 0.05 s" in str(outcome)
    with pytest.raises(SourceUnavailable):
        await assembly.gate("c").stopped()


async def test_the_pause_of_the_first_counts_until_the_last_is_frozen() -> None:
    assembly = Assembly(("a", "b"), 0.05)
    await asyncio.gather(assembly.gate("a").stopped(), assembly.gate("b").stopped())
    with pytest.raises(SourceUnavailable, match="because of b: it did not freeze its disks"):
        await assembly.gate("a").frozen()


async def test_getting_ready_may_take_its_time() -> None:
    assembly = Assembly(("a", "b"), 0.01)
    first = asyncio.ensure_future(assembly.gate("a").prepared())
    await asyncio.sleep(0.05)
    assert not first.done()
    await assembly.gate("b").prepared()
    await first
