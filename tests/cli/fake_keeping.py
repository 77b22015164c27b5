"""What the engine in memory says of policies, prunes and holds."""

from collections.abc import Callable

from understudy.engine import AddHold, Decided, Hold, Point, Policy, Prune, Pruned, RemoveHold, Retention, SetRetention

HOLD = Hold(id="f0" * 16, machine="web", point="aa11".ljust(32, "0"), number=3, reason="before the upgrade")


class FakeKeeping:
    """`policy_now` is what was set last; a prune keeps the newest point only."""

    policy_now: Policy | None
    points_now: list[Point]
    holds_now: list[Hold]
    _asked: Callable[[object], None]

    async def retention(self, machine: str) -> Retention:
        self._asked(("retention", machine))
        return Retention(machine="web", policy=self.policy_now)

    async def set_retention(self, request: SetRetention) -> Retention:
        self._asked(request)
        self.policy_now = request.policy
        return Retention(machine="web", policy=request.policy)

    async def prune(self, request: Prune) -> Pruned:
        self._asked(request)
        *old, newest = self.points_now
        stays = Decided(number=newest.number, id=newest.id, frozen_at=newest.frozen_at, keep=True, reasons=("the newest", "held: why"))
        goes = [Decided(number=one.number, id=one.id, frozen_at=one.frozen_at, keep=False, reasons=("too old",)) for one in old]
        return Pruned(machine="web", dry_run=request.dry_run, policy=self.policy_now, points=(*goes, stays))

    async def holds(self, machine: str) -> tuple[Hold, ...]:
        self._asked(("holds", machine))
        return tuple(self.holds_now)

    async def add_hold(self, request: AddHold) -> Hold:
        self._asked(request)
        return HOLD

    async def remove_hold(self, request: RemoveHold) -> Hold:
        self._asked(request)
        return HOLD
