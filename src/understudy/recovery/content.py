"""A machine's points as the vault's reader gives them, in the form that materialise takes."""

from understudy.errors import IntegrityError, NotFound
from understudy.recovery.materialise import FindPoint, MachineContent
from understudy.vault import names
from understudy.vault.history import History
from understudy.vault.kinds import ObjectRef
from understudy.vault.log import MachineLog
from understudy.vault.reader import PointReader
from understudy.vault.resolve import resolve
from understudy.vault.side_object import get_side_object
from understudy.vault.vault import Vault


def history_of(vault: Vault, log: MachineLog) -> History:
    """The machine's log as it was last read, and what reading its points takes."""

    async def side_object(purpose: str, ref: ObjectRef) -> bytes:
        return await get_side_object(vault.store, vault.access, names.machine(log.machine_id), purpose, ref)

    return History(vault.store, vault.access, log.machine_id, log.state.points, log.state.checkpoints, log.inline, side_object)


async def read_point(history: History, point: str) -> MachineContent:
    """A point by its id in hex. `NotFound`, or `IntegrityError` if its maps cannot be had."""
    mapped = await resolve(history, bytes.fromhex(point))
    reader = PointReader(history, mapped)
    return MachineContent(
        vault=history.access.vault_id,
        machine=history.machine_id,
        point=point,
        secrets=history.access.secrets,
        disks={disk.disk.name: disk for disk in reader.disks},
    )


def finder(history: History) -> FindPoint:
    """For materialise: a point that a target holds, as long as the vault can still tell what that is."""

    async def find(point: str) -> MachineContent | None:
        try:
            return await read_point(history, point)
        except (NotFound, IntegrityError, ValueError):
            # Not known any more: the target is read and compared instead.
            return None

    return find
