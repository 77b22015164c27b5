"""Every object of a vault, spoiled in every way: verification finds it and names the points that it touches, all others come back whole."""

import os
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from tests.local.ruins import HOWS, Ruins, examine, readable
from understudy.errors import AccessDenied, IntegrityError, NotFound
from understudy.replication import cycle
from understudy.vault.maps import checkpoint

pytestmark = pytest.mark.asyncio(loop_scope="module")
FRESH = "fresh-state"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ruins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ruins]:
    """One for all: every test leaves the vault as it was. Of two machines, so that one is hurt and the other must not be."""
    made = Ruins(tmp_path_factory.mktemp("ruins"), np.random.default_rng(7))
    patch = pytest.MonkeyPatch()
    for call in ("fsync", "fdatasync"):
        patch.setattr(os, call, lambda fd: None)  # no power fails here, and there are thousands of them
    patch.setattr(checkpoint, "POINTS_MAX", 2)
    await made.create()
    await made.protect("web", 600_000)
    await made.cycles("web", 1, 3)
    with patch.context() as listed:
        listed.setattr(cycle, "PACKS_IN_RECORD", 0)
        await made.cycles("web", 1, 40)
    await made.cycles("web", 2, 3)
    await made.protect("other", 60_000)
    await made.cycles("other", 3, 20)
    await made.age("other")
    yield made
    patch.undo()


async def test_a_whole_vault_is_whole(ruins: Ruins) -> None:
    names = ruins.objects()
    kinds = {name.split("/")[2] for name in names if name.startswith("machines/")}
    assert kinds == {"log", "packs", "maps", "objects"}
    for machine, points in ruins.held.items():
        found = await examine(ruins, "nothing", machine)
        assert (found.named, found.touched) == (False, set())
        assert await readable(ruins, machine, set(points)) == set(points)


@pytest.mark.parametrize("how", HOWS)
async def test_every_object(ruins: Ruins, how: str) -> None:
    wrong: list[str] = []
    for name in sorted(set(ruins.objects()) - ruins.unneeded):
        with ruins.spoiled(name, how):
            for machine, points in ruins.held.items():
                concerned = not name.startswith("machines/") or machine in name
                if not concerned:
                    # Of another machine's loss it notices nothing.
                    assert await readable(ruins, machine, {max(points)}) == {max(points)}
                    continue
                opened_by = {"key": "safe"} if name.startswith("keys/") and not await opens(ruins) else {}
                found = await examine(ruins, name, machine, **opened_by)
                # A log that lost its end is refused where it was seen; restoring goes on with a state directory that saw nothing.
                state = {**opened_by, "state": FRESH} if found.touched else opened_by
                back = await readable(ruins, machine, set(points), **state)
                if not found.named and not (how == "deletion" and "/packs/" in name and back == set(points)):
                    wrong.append(f"{name}: not named for {machine}")  # unless it is a pack that only dropped points needed
                lost = set(points) - found.touched - back
                if lost:
                    wrong.append(f"{name}: {len(lost)} points of {machine} do not come back")
    assert not wrong, "\n".join(wrong)


async def opens(ruins: Ruins) -> bool:
    """Whether the first operator's own key still opens the vault."""
    try:
        async with ruins.engine() as opened:
            await opened.vault()
    except AccessDenied:
        return False
    except (IntegrityError, NotFound) as error:
        return "key slot" not in error.message
    return True
