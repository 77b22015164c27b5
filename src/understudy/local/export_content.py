"""A point's disks as an export reads them for as long as it runs: what a collection moves meanwhile is followed."""

import asyncio
import logging

from understudy.errors import IntegrityError
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.history import History
from understudy.vault.maps.honest import honest
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reader import LargeDisk, large_disks
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

log = logging.getLogger(__name__)


class ExportContent:
    """Made by `open`."""

    def __init__(self, vault: Vault, machine: MachineLog, point: bytes, disks: tuple[LargeDisk, ...]) -> None:
        self._vault = vault
        self._machine = machine
        self._point = point
        self._disks = {disk.disk.id: disk for disk in disks}
        self._moved = _moved(machine)
        self._renewing = asyncio.Lock()

    @classmethod
    async def open(cls, vault: Vault, machine: MachineLog, point: bytes) -> "ExportContent":
        """`NotFound`, or `IntegrityError` if the point's maps cannot be had."""
        return cls(vault, machine, point, await _opened(vault, machine, point))

    @property
    def disks(self) -> tuple[LargeDisk, ...]:
        return tuple(self._disks.values())

    async def renew(self, seen: LargeDisk) -> LargeDisk | None:
        """The same disk, if the vault has its point elsewhere now; None if nothing was moved since `seen` was opened."""
        async with self._renewing:
            now = self._disks[seen.disk.id]
            if now is not seen:
                return now
            await self._machine.refresh()
            moved = _moved(self._machine)
            if moved == self._moved:
                return None
            opened = await _opened(self._vault, self._machine, self._point)
            self._moved, self._disks = moved, {disk.disk.id: disk for disk in opened}
            return self._disks[seen.disk.id]


async def _opened(vault: Vault, machine: MachineLog, point: bytes) -> tuple[LargeDisk, ...]:
    history = history_of(vault, machine)
    try:
        return await _disks(history, point)
    except IntegrityError:
        # What a source wrote as a shortcut must not keep anybody from what the packs themselves hold.
        proven, lies = await honest(history)
        if not lies:
            raise
        for lie in lies:
            log.warning("%s", lie)
        return await _disks(proven, point)


async def _disks(history: History, point: bytes) -> tuple[LargeDisk, ...]:
    parts = await PointParts.open(history, point)
    disks = large_disks(history, parts)
    for disk in disks:
        # The first part of each now: what cannot be read at all is said before anybody relies on it.
        await disk.part(*disk.ranges()[0].tolist())
    return disks


def _moved(machine: MachineLog) -> tuple[object, ...]:
    state = machine.state
    return state.repack, state.condemned, state.trims
