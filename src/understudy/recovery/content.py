"""A machine's points as the vault's reader gives them, in the form that materialise takes."""

from understudy.errors import IntegrityError, NotFound
from understudy.recovery.disk_work import FindPoint, MachineContent
from understudy.vault.maps.history import History
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reader import large_disks


async def read_point(history: History, point: str) -> MachineContent:
    """A point by its id in hex. `NotFound`, or `IntegrityError` if its maps cannot be had."""
    parts = await PointParts.open(history, bytes.fromhex(point))
    return MachineContent(
        vault=history.access.vault_id,
        machine=history.machine_id,
        point=point,
        secrets=history.access.secrets,
        disks={disk.disk.name: disk for disk in large_disks(history, parts)},
    )


def finder(history: History) -> FindPoint:
    """For materialise: a point that a target holds, as long as the vault can still tell what that is. It may be dropped since."""
    told = history.with_dropped()

    async def find(point: str) -> MachineContent | None:
        try:
            return await read_point(told, point)
        except (NotFound, IntegrityError, ValueError):
            # Not known any more: the target is read and compared instead.
            return None

    return find
