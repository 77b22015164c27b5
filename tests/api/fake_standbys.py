"""The fake engine's standbys and orphans."""

from abc import abstractmethod
from typing import Any

import msgspec

from tests.cli.fake_engine import FIRST_FREEZE
from understudy.engine import (
    CreateStandby,
    DropOrphan,
    FollowStandby,
    OnProgress,
    Orphan,
    OrphanDisk,
    Point,
    RemoveStandby,
    Restored,
    RestoredDisk,
    SetStandby,
    Standby,
    StandbyDisk,
)

STANDBY = Standby(
    machine="web",
    machine_id="1d" * 16,
    state="following",
    since=FIRST_FREEZE,
    disks=(StandbyDisk(name="vda", path="/s/vda.raw", format="raw", point="aa22".ljust(32, "0"), proven_at=FIRST_FREEZE),),
    directory="/s",
    point="aa22".ljust(32, "0"),
    number=4,
    frozen_at=FIRST_FREEZE,
    behind=1,
    lag_seconds=60.0,
)
ORPHAN = Orphan(
    name="first",
    machine="web",
    machine_id="1d" * 16,
    point="aa22".ljust(32, "0"),
    number=4,
    made_at=FIRST_FREEZE,
    state="done",
    directory="/o/first",
    stored_bytes=8192,
    disks=(OrphanDisk(name="vda", id="d1" * 16, size=1 << 30, path="/s/vda.raw"),),
)


class FakeStandbys:
    points_now: list[Point]

    @abstractmethod
    def _asked(self, request: Any) -> None: ...

    async def standbys(self) -> tuple[Standby, ...]:
        self._asked(("standbys",))
        return (STANDBY,)

    async def standby(self, machine: str) -> Standby:
        self._asked(("standby", machine))
        return STANDBY

    async def create_standby(self, request: CreateStandby) -> Standby:
        self._asked(request)
        return STANDBY

    async def set_standby(self, request: SetStandby) -> Standby:
        self._asked(request)
        return msgspec.structs.replace(STANDBY, state="paused" if request.paused else "following")

    async def remove_standby(self, request: RemoveStandby) -> Standby:
        self._asked(request)
        return STANDBY

    async def follow_standby(self, request: FollowStandby, progress: OnProgress) -> Restored:
        self._asked(request)
        disk = RestoredDisk(
            name="vda", path="/s/vda.raw", size=1 << 30, trusted="known", known_point="aa11", reason="", written_bytes=8192, zeroed_bytes=0
        )
        return Restored(machine="web", point=self.points_now[-1], seconds=1.5, disks=(disk,))

    async def orphans(self, machine: str) -> tuple[Orphan, ...]:
        self._asked(("orphans", machine))
        return (ORPHAN,)

    async def drop_orphan(self, request: DropOrphan) -> Orphan:
        self._asked(request)
        return ORPHAN
