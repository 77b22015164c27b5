"""What a cycle had sent is taken back when it came to nothing, where that may be done."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import Call, FaultyStore
from understudy.replication.upload import take_back
from understudy.store.file import FileStore
from understudy.store.protocol import Capabilities
from understudy.vault import names
from understudy.vault.kinds import PackRef

MACHINE = "0123456789abcdef0123456789abcdef"


class AppendOnly(FaultyStore):
    deletes = False

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, deletes=self.deletes)


@pytest.mark.parametrize("deletes", [False, True])
async def test_who_may_not_delete_does_not_ask_for_it(tmp_path: Path, deletes: bool) -> None:
    store = AppendOnly(FileStore(tmp_path / "vault", make=True))
    store.deletes = deletes
    pack = PackRef(id=bytes(16), size=1, hash=bytes(32))
    name = names.pack(MACHINE, pack.id.hex())
    await store.create(name, [b"x"])
    await take_back(store, MACHINE, [pack])
    assert (Call("delete", name) in store.calls, await store.head(name) is None) == (deletes, deletes)
    await store.close()
