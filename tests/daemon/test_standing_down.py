"""A former primary that was asked to be the stand-in of a site which is not its successor any more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.failover.test_duty import LOST, state_of
from tests.vault.test_fold import B
from understudy.daemon.standing_down import StandingDown
from understudy.daemon.track import Track
from understudy.engine import QemuSource, ReplicationPolicy


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
