"""A former primary: what it is not asked for any more, and what it cannot stop."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.daemon.test_reunited import Home
from tests.daemon.test_reunited import home as home
from tests.failover.test_duty import LOST, state_of
from tests.vault.test_fold import B
from understudy.daemon.standing_down import StandingDown
from understudy.daemon.track import Track
from understudy.engine import QemuSource, Reason, ReplicationPolicy
from understudy.errors import Conflict, StateFailed
from understudy.failover.duty import StandDown
from understudy.local.following import unfollow
from understudy.local.machine_file import NAME, read_source
from understudy.vault import kinds


async def test_nothing_is_moved_for_it(tmp_path: Path) -> None:
    """Another failover came before it was looked again: it is not asked for that any more."""
    run, state = "abababababab-1", state_of(((1, B, LOST),))

    async def find(machine: str) -> Any:
        return SimpleNamespace(state=state)

    touched = SimpleNamespace(sockets=lambda run: (tmp_path / run / "qmp", None))
    parts = SimpleNamespace(site=SimpleNamespace(name="elsewhere", state=tmp_path)), None, touched, None, None
    looks = StandingDown(*cast(Any, parts), lambda *_: None)
    vault = cast(Any, SimpleNamespace(find=find))
    source = QemuSource(qmp=str(tmp_path / run / "qmp"))
    assert not await looks._become_stand_in(cast(Any, None), Track("m", ReplicationPolicy()), vault, source)


async def test_what_cannot_be_stopped_is_said(tmp_path: Path) -> None:
    """Nobody knows by which socket its VM is reached: it is not as if it were being stopped."""
    (tmp_path / NAME).write_bytes(b"\xff{")
    halted: list[Reason] = []
    site = SimpleNamespace(name="here", state=tmp_path, directory=lambda *_: tmp_path)
    looks = StandingDown(*cast(Any, (SimpleNamespace(site=site), None, None, None, None)), lambda _, reason: halted.append(reason))
    track = Track("m", ReplicationPolicy())
    duty, vault = StandDown(2, "there", "unplanned", orderly=False, over=False), cast(Any, SimpleNamespace(id="v"))
    with pytest.raises(StateFailed):
        await looks.look(duty, track, vault, cast(Any, SimpleNamespace(state=state_of(((1, B, LOST),)))))
    assert (halted[-1].code, halted[-1].health) == ("split", "critical")
    assert "may run here, too, where nobody can stop it" in halted[-1].message


async def test_what_may_be_taken_back_to_it_is_not_let_go_of(home: Home) -> None:
    """Who cancels the failover goes on from what is kept here."""
    await home.log.append(kinds.Failover(epoch=2, site="b", point=b"p" * 16, mode="unplanned", id=b"i" * 16))
    engine = home.sentinel._engine
    vault, log = await engine.watched(home.log.machine_id)
    with pytest.raises(Conflict, match="the failover of 'web' to site 'b' is not committed"):
        await unfollow(vault, log, cast(Any, None), engine.site, forget=False)
    assert read_source(home.directory) is not None
    await unfollow(vault, log, cast(Any, None), engine.site, forget=True)
    assert read_source(home.directory) is None
