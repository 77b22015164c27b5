"""A condition on an append holds for the very slot that the record gets, whoever else writes meanwhile; and what records name is known."""

from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.vault.worlds import two_sites
from understudy.errors import Conflict
from understudy.vault import kinds
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault


async def test_a_condition_is_asked_again_for_every_slot(store: FaultyStore, vault: Vault, tmp_path: Path) -> None:
    here, there = await two_sites(store, vault, tmp_path)
    asked: list[int] = []

    def still(state: MachineState) -> None:
        asked.append(len(state.holds))
        if state.holds:
            raise Conflict("something was held meanwhile")

    await here.append(kinds.Note(text="first"), still)
    await there.append(kinds.Note(text="in the way"))
    await here.append(kinds.Note(text="second"), still)
    assert asked == [0, 0, 0], "and again after the slot was lost"
    await there.append(kinds.Hold(id=b"h" * 16, point=b"p" * 16, reason=""))
    head = here.head
    with pytest.raises(Conflict, match="meanwhile"):
        await here.append(kinds.Note(text="third"), still)
    await there.refresh()
    assert there.head.seq == head.seq + 1 == here.head.seq


async def test_side_objects_that_records_name_are_known(store: FaultyStore, vault: Vault, tmp_path: Path) -> None:
    here, _ = await two_sites(store, vault, tmp_path)
    ref = kinds.ObjectRef(hash=b"d" * 32, size=100)
    await here.append(kinds.Definition(definition=ref))
    assert here.state.named == {ref.hash}
