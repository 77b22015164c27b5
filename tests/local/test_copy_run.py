"""A copy is brought on by hand while the vault is whole no more: what can be saved is saved."""

from pathlib import Path

import numpy as np
import pytest

from tests.local.promoted import Sites
from understudy import engine
from understudy.errors import IntegrityError
from understudy.vault import names


async def test_a_machine_whose_log_or_pack_is_damaged_keeps_no_other_from_being_brought_on(tmp_path: Path) -> None:
    sites = Sites(tmp_path, np.random.default_rng(7))
    await sites.create()
    for name in ("db", "mail", "web"):
        await sites.protect(name, 60_000)
        await sites.cycles(name, 1, 2)
    vault = await sites.opened("vault")
    db, mail, web = [(await vault.find(name)).machine_id for name in ("db", "mail", "web")]
    *_, last = sorted((sites.vault / names.log(names.machine(db))).iterdir())
    pack = next((sites.vault / names.machine(mail) / "packs").iterdir())
    for path in (last, pack):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=db):
        await sites.copied("second")
    copy = await sites.opened("second")
    assert {entry.point.id.hex() for entry in (await copy.find(web)).state.points} == set(sites.held[web])
    with pytest.raises(IntegrityError, match=pack.name):
        async with sites.engine() as operator:
            await operator.bring_second(engine.BringSecond(url=sites.url("second"), machines=("mail", "web")), lambda _: None)
