"""An engine in memory: the command line's contract can be tested without a vault, and can be made to fail where one rarely does."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.cli import fake_space
from tests.cli.fake_keeping import FakeKeeping
from understudy.engine import (
    AddKey,
    Collect,
    Collected,
    Connection,
    CreateGroup,
    CreateVault,
    Credential,
    Cycle,
    Damage,
    Disk,
    Engine,
    Found,
    Group,
    GroupCycle,
    GroupMember,
    GroupReplication,
    GroupRestored,
    Hold,
    Instant,
    InstantMember,
    Key,
    KeyFile,
    KeyRemoved,
    Machine,
    OnProgress,
    Point,
    Points,
    Policy,
    Progress,
    Protect,
    Protected,
    Proven,
    Replication,
    Restore,
    Restored,
    RestoredDisk,
    RestoreGroup,
    Role,
    RotateKey,
    Seeded,
    SeedExport,
    SeedImport,
    Unprotect,
    Unprotected,
    Usage,
    VaultInfo,
    Verified,
    Verify,
)
from understudy.engine.profiling import Profile, Profiled, counted
from understudy.errors import Conflict, NotFound

SECOND = 1_000_000_000
FIRST_FREEZE = 1_790_000_000 * SECOND
DISKS = (Disk(name="vda", size=1 << 30, sector=512), Disk(name="vdb", size=5000, sector=4096))


def point(number: int, identity: str, at: int = 0) -> Point:
    """A point frozen `at` seconds after FIRST_FREEZE."""
    return Point(
        number=number,
        id=identity.ljust(32, "0"),
        frozen_at=FIRST_FREEZE + at * SECOND,
        cause="initial" if number == 3 else "delta",
        reason="",
        method="scan",
        consistency="crash",
        scanned_blocks=262146,
        changed_blocks=256,
        zero_blocks=2,
        stored_bytes=70000,
        seconds=0.25,
        held=False,
        disks=DISKS,
    )


GROUP = Group(name="shop", members=(GroupMember(machine="2d" * 16, name="db"), GroupMember(machine="1d" * 16, name="web")))


def instant(identity: str, at: int = 0, *, complete: bool = True) -> Instant:
    """An instant of the group `shop`, `at` seconds after FIRST_FREEZE; if not complete, db has no point in it."""
    members = (
        InstantMember(machine="2d" * 16, name="db", point=point(3, "dd11", at) if complete else None),
        InstantMember(machine="1d" * 16, name="web", point=point(4, "aa22", at)),
    )
    return Instant(id=identity.ljust(32, "0"), group="shop", frozen_at=FIRST_FREEZE + at * SECOND, complete=complete, members=members)


@dataclass
class FakeGroup:
    """A group of one machine's cycles."""

    engine: "FakeEngine"
    name: str

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> GroupCycle:
        cycle = await self.engine.cycle(progress, app_consistent)
        return GroupCycle(group=self.name, instant="ee" * 16, members=(cycle,), paused_seconds=0.012, seconds=0.25)


@dataclass
class FakeEngine(FakeKeeping):
    """One vault with the machine `web`; every request is kept in `asked`, and `failures` are raised by the calls to come."""

    points_now: list[Point] = field(default_factory=lambda: [point(3, "aa11"), point(4, "aa22", 60), point(7, "bb33", 120)])
    keys_now: list[Key] = field(
        default_factory=lambda: [Key(slot="5a" * 16, role="operator", label="ops", kind="passphrase", current=True)]
    )
    instants_now: list[Instant] = field(
        default_factory=lambda: [instant("e111"), instant("e222", 60), instant("e333", 120, complete=False)]
    )
    policy_now: Policy | None = None
    holds_now: list[Hold] = field(default_factory=list)
    damage: tuple[Damage, ...] = ()
    failures: deque[BaseException | None] = field(default_factory=deque)
    opening_failures: deque[BaseException] = field(default_factory=deque)
    cycle_seconds: float = 0.0
    asked: list[object] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    open_now: int = 0
    abandoned: int = 0

    @asynccontextmanager
    async def open(self, connection: Connection) -> AsyncIterator[Engine]:
        """The factory that commands are given."""
        self.connections.append(connection)
        if self.opening_failures:
            raise self.opening_failures.popleft()
        yield self

    def _asked(self, request: object) -> None:
        self.asked.append(request)
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure

    def _machine(self) -> Machine:
        newest = self.points_now[-1] if self.points_now else None
        return Machine(id="1d" * 16, name="web", epoch=1, site="here", here=True, points=len(self.points_now), newest=newest)

    def _key(self, label: str, role: Role, credential: Credential) -> Key:
        kind: Literal["passphrase", "key-file"] = "key-file" if isinstance(credential, KeyFile) else "passphrase"
        key = Key(slot="6b" * 16, role=role, label=label, kind=kind, current=False)
        self.keys_now.append(key)
        return key

    async def create_vault(self, request: CreateVault) -> VaultInfo:
        self._asked(request)
        return await self._info()

    async def vault(self) -> VaultInfo:
        self._asked("vault")
        return await self._info()

    async def _info(self) -> VaultInfo:
        keys, machines = tuple(self.keys_now), (self._machine(),)
        return VaultInfo(id="ab" * 16, url="file:///srv/vault", role="operator", identity="ops", keys=keys, machines=machines)

    async def keys(self) -> tuple[Key, ...]:
        self._asked("keys")
        return tuple(self.keys_now)

    async def add_key(self, request: AddKey) -> Key:
        self._asked(request)
        return self._key(request.label, request.role, request.credential)

    async def rotate_key(self, request: RotateKey) -> Key:
        self._asked(request)
        return self._key("ops", "operator", request.credential)

    async def remove_key(self, slot: str) -> KeyRemoved:
        self._asked(slot)
        return KeyRemoved(slot="5a" * 16, label="ops", role="operator", revoked=True)

    async def protect(self, request: Protect) -> Protected:
        self._asked(request)
        return Protected(
            machine=self._machine(), found=Found(kind=request.source.__struct_config__.tag, method="scan", disks=DISKS), outcome="created"
        )

    async def unprotect(self, request: Unprotect) -> Unprotected:
        self._asked(request)
        return Unprotected(machine=self._machine(), cleaned=not request.forget)

    @asynccontextmanager
    async def replicate(self, machine: str) -> AsyncIterator[Replication]:
        self._asked(("replicate", machine))
        if self.open_now:
            raise Conflict("opened twice")
        self.open_now += 1
        try:
            yield self
        finally:
            self.open_now -= 1

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> Cycle:
        self._asked("app-consistent cycle" if app_consistent else "cycle")
        progress(Progress(phase="reading", done=1, total=2))
        try:
            await asyncio.sleep(self.cycle_seconds)
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        number = self.points_now[-1].number + 1
        made = point(number, f"cc{number:02}", number * 60)
        self.points_now.append(made)
        return Cycle(
            machine="web",
            point=made.id,
            number=number,
            frozen_at=made.frozen_at,
            cause=made.cause,
            reason=made.reason,
            method=made.method,
            consistency=made.consistency,
            scanned_blocks=made.scanned_blocks,
            changed_blocks=made.changed_blocks,
            zero_blocks=made.zero_blocks,
            read_bytes=1 << 30,
            stored_bytes=made.stored_bytes,
            seconds=0.25,
            rpo_seconds=0.25,
        )

    async def groups(self) -> tuple[Group, ...]:
        self._asked("groups")
        return (GROUP,)

    async def create_group(self, request: CreateGroup) -> Group:
        self._asked(request)
        return GROUP

    async def remove_group(self, name: str) -> Group:
        self._asked(("remove group", name))
        return GROUP

    @asynccontextmanager
    async def replicate_group(self, name: str) -> AsyncIterator[GroupReplication]:
        self._asked(("replicate group", name))
        yield FakeGroup(self, name)

    async def instants(self) -> tuple[Instant, ...]:
        self._asked("instants")
        return tuple(self.instants_now)

    async def restore_group(self, request: RestoreGroup, progress: OnProgress) -> GroupRestored:
        self._asked(request)
        which = next(instant for instant in self.instants_now if instant.id == request.instant)
        machines = [
            await self.restore(Restore(machine=machine, point=self.points_now[0].id, format=request.format, targets=targets), progress)
            for machine, targets in request.targets.items()
        ]
        return GroupRestored(instant=which, seconds=3.0, machines=tuple(machines))

    async def points(self, machine: str) -> Points:
        self._asked(("points", machine))
        if machine != "web":
            raise NotFound(f"no machine {machine!r} in this vault", hint="`understudy vault info` lists them.")
        return Points(machine=self._machine(), points=tuple(self.points_now), void=("record 5: its signer was revoked",))

    async def restore(self, request: Restore, progress: OnProgress) -> Restored:
        self._asked(request)
        progress(Progress(phase="writing", done=1, total=2))
        restored = [
            RestoredDisk(
                name=name, path=path, size=1 << 30, trusted="known", known_point="aa11", reason="", written_bytes=8192, zeroed_bytes=0
            )
            for name, path in request.targets.items()
        ]
        which = next(point for point in self.points_now if point.id == request.point)
        return Restored(machine="web", point=which, seconds=1.5, disks=tuple(restored))

    async def verify(self, request: Verify, progress: OnProgress) -> Verified:
        self._asked(request)
        proven = [Proven(number=point.number, id=point.id, damage=self.damage) for point in self.points_now if point.id in request.points]
        return Verified(
            level=request.level, machine="web", points=tuple(proven), objects=4, read_bytes=70000, seconds=0.5, damage=self.damage
        )

    async def export_seed(self, request: SeedExport, progress: OnProgress) -> Seeded:
        self._asked(request)
        progress(Progress(phase="copy", done=1, total=2))
        which = next((point for point in self.points_now if point.id == request.point), None)
        return self._seeded(which, request.directory)

    async def profile(self, request: Profile, progress: OnProgress) -> Profiled:
        self._asked(request)
        progress(Progress(phase="watch", done=1, total=2))
        spans = (counted(10.0, [0.0, 8e6, 10e6]), counted(60.0, [12e6]))
        return Profiled(machine="web", seconds=request.seconds, granularity=4096, disk_bytes=1 << 30, spans=spans)

    async def import_seed(self, request: SeedImport, progress: OnProgress) -> Seeded:
        self._asked(request)
        return self._seeded(None, request.directory)

    def _seeded(self, which: Point | None, directory: str) -> Seeded:
        kind: Literal["point", "initial"] = "point" if which else "initial"
        return Seeded(kind=kind, machine="web", point=which, directory=directory, objects=9, copied=7, copied_bytes=70000, seconds=1.5)

    async def collect(self, request: Collect) -> Collected:
        self._asked(request)
        return fake_space.collected(request.dry_run)

    async def usage(self, machine: str) -> Usage:
        self._asked(("usage", machine))
        return fake_space.usage(self._machine(), self.points_now)

    async def scrub(self, progress: OnProgress) -> Verified:
        self._asked("scrub")
        return Verified(level="scrub", machine=None, points=(), objects=4, read_bytes=70000, seconds=0.5, damage=self.damage)
